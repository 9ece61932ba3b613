"""Receives the progress of an export; this base ignores it, the command line prints it."""


class Progress:
    """Receives the progress of an export; all methods are called from the main thread."""

    def note(self, text: str) -> None:
        """Receive a sentence for the user, on one line."""

    def listing(self, tasks: int) -> None:
        """Receive the number of tasks listed so far."""

    def begin(self, tasks: int, unchanged: int) -> None:
        """Receive the number of tasks that will be read, and of those that are unchanged."""

    def task_done(self, points: int, requests: int) -> None:
        """Receive the points of a task that was read, and the number of all requests so far."""

    def committed(self, tasks: int) -> None:
        """Receive the number of tasks in a checkpoint."""

    def end(self) -> None:
        """End the display: nothing follows."""
