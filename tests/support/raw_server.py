"""A server of plain sockets, which sends what a test gives it."""

import socket
import ssl
import threading
from collections.abc import Callable

Behaviour = bytes | Callable[[socket.socket, threading.Event], None]


class RawServer:
    """Send the same bytes to every client, whatever it requests."""

    def __init__(self, behaviour: Behaviour, context: ssl.SSLContext | None = None) -> None:
        self._behaviour, self._context = behaviour, context
        self.stopping = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def stop(self) -> None:
        """Wake who waits for a connection; it would go on at the number of the next listener."""
        self.stopping.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._accepting.join()
        self.listener.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            if self.stopping.is_set():
                connection.close()
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                connection.recv(65536)
                if isinstance(self._behaviour, bytes):
                    connection.sendall(self._behaviour)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):  # closing with unread bytes would reset
                        pass
                else:
                    self._behaviour(connection, self.stopping)
        except OSError:
            return
