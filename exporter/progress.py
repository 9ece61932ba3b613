"""What an export tells while it runs. This base is silent; the command line has one that speaks."""


class Progress:
    """Listens to an export; every method may come from the main thread only."""

    def note(self, text: str) -> None:
        """Something that the user should know, on one line."""

    def listing(self, tasks: int) -> None:
        """So many tasks are listed so far."""

    def begin(self, tasks: int, unchanged: int) -> None:
        """So many tasks will be read, and so many are left as they are."""

    def task_done(self, points: int, requests: int) -> None:
        """One task more is read, with so many points; so many requests are sent in all."""

    def committed(self, tasks: int) -> None:
        """So many tasks are safe on disk."""

    def end(self) -> None:
        """Nothing more will come."""
