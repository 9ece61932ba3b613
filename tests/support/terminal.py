"""A pseudo-terminal for commands that run in this process."""

import fcntl
import io
import os
import pty
import struct
import termios
import threading


class Terminal:
    """A pseudo-terminal that is this process's stdout and stderr while a command runs."""

    def __init__(self, columns: int = 100) -> None:
        self.ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._read = bytearray()
        self._reader = threading.Thread(target=self._drain)
        self._reader.start()

    def stream(self) -> io.TextIOWrapper:
        """Open it to write; close each before ``end``."""
        return open(os.dup(self.theirs), "w", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123

    def end(self) -> str:
        """Close it and return what it was sent."""
        os.close(self.theirs)
        self._reader.join()
        os.close(self.ours)
        return self._read.decode()

    def _drain(self) -> None:
        try:
            while chunk := os.read(self.ours, 65536):
                self._read += chunk
        except OSError:  # Linux answers EIO when the other side is closed
            pass
