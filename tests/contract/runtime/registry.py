"""A registry in front of the real one, on loopback, that does what registries do wrong."""

from __future__ import annotations

import base64
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 64 * 1024
_PASSED = ("Content-Type", "Docker-Content-Digest", "Docker-Distribution-Api-Version")


@dataclass
class Faults:
    """``corrupt``: a bit of every large layer; ``stall``: layers stop coming until ``go_on``; ``login``: the
    user and password that it asks for."""

    corrupt: bool = False
    stall: bool = False
    login: str = ""
    asked: list[str] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def faulty_registry(upstream: str, faults: Faults) -> Iterator[str]:
    """Its HOST:PORT."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve(with_body=True)

        def do_HEAD(self) -> None:
            self._serve(with_body=False)

        def log_message(self, format: str, *args: object) -> None:
            faults.asked.append(getattr(self, "path", "no HTTP"))  # engines try TLS first

        def _serve(self, with_body: bool) -> None:
            if faults.login and not self._allowed():
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="test"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            request = urllib.request.Request(f"http://{upstream}{self.path}", method=self.command)
            if "Accept" in self.headers:
                request.add_header("Accept", ", ".join(self.headers.get_all("Accept")))
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    status, headers, body = answer.status, answer.headers, answer.read()
            except urllib.error.HTTPError as error:
                status, headers, body = error.code, error.headers, error.read()
            length = headers.get("Content-Length", str(len(body))) if not with_body else str(len(body))
            self.send_response(status)
            for name in _PASSED:
                if headers.get(name):
                    self.send_header(name, headers[name])
            self.send_header("Content-Length", length)
            self.end_headers()
            if with_body:
                self._send(body, "/blobs/" in self.path and len(body) > 1_000_000)

        def _allowed(self) -> bool:
            given = self.headers.get("Authorization", "")
            return given == "Basic " + base64.b64encode(faults.login.encode()).decode()

        def _send(self, body: bytes, layer: bool) -> None:
            if layer and faults.corrupt:
                middle = len(body) // 2
                body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
            try:
                for start in range(0, len(body), PIECE):
                    if layer and faults.stall and start > len(body) // 3:
                        faults.stalled.set()
                        faults.go_on.wait(30)
                    self.wfile.write(body[start : start + PIECE])
            except OSError:
                self.close_connection = True  # the engine gave up

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        faults.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
