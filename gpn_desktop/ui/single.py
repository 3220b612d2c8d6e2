"""One window for each data folder: a second start raises the first and ends.

Two nodes with one key would sign two things that contradict each other; the store's lock refuses that as
well, but people should see their window and not an error.
"""

from __future__ import annotations

import getpass
from hashlib import sha256

from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

ANSWER_MS = 1000
RAISE = b"raise\n"


def instance_name(data_dir: str) -> str:
    """The same for one user and one data folder."""
    return f"gpn-desktop-{sha256(f'{getpass.getuser()}:{data_dir}'.encode()).hexdigest()[:16]}"


def raise_other(name: str) -> bool:
    """Ask the instance that runs to show itself; False if there is none."""
    socket = QLocalSocket()
    socket.connectToServer(name)
    if not socket.waitForConnected(ANSWER_MS):
        return False
    socket.write(RAISE)
    socket.waitForBytesWritten(ANSWER_MS)
    socket.disconnectFromServer()
    return True


class SingleInstance(QObject):
    """``raised`` is emitted when another start asks for this one's window."""

    raised = Signal()

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._called)
        if not self._server.listen(name):
            # Nobody answered under this name, so what is left of it belongs to one that crashed.
            QLocalServer.removeServer(name)
            self._server.listen(name)

    @property
    def listening(self) -> bool:
        return self._server.isListening()

    def close(self) -> None:
        self._server.close()

    def _called(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.disconnected.connect(socket.deleteLater)
            self.raised.emit()
