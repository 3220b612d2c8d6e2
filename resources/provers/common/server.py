"""The prover image API over HTTP for provers in Python: /prove, /validate and /manifest on port 3000.

A prover has ``prove(request_id, data) -> bytes`` and ``validate(request_id, proof, data) -> bool``. It is
called by one thread at a time, and may raise BadRequest.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, Protocol

PORT = 3000
BODY_LIMIT = 64 * 1024 * 1024  # 32 MiB of data as base64, a proof, and room


class BadRequest(Exception):
    """What the caller did wrong: answered with 400 and the message."""


class Prover(Protocol):
    def prove(self, request_id: str, data: bytes) -> bytes: ...

    def validate(self, request_id: str, proof: bytes, data: bytes) -> bool: ...


def serve(prover: Prover, folder: Path) -> None:
    """Answers for ever. ``folder`` has manifest.json and sample.json."""
    manifest = json.loads((folder / "manifest.json").read_text())
    sample = (folder / "sample.json").read_bytes()
    manifest["sample"] = {"request_id": "sample", "data": base64.b64encode(sample).decode()}
    turn = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/manifest":
                self._send(200, manifest)
            else:
                self._send(404, {"error": "no such call"})

        def do_POST(self) -> None:
            try:
                status, answer = 200, self._answer()
            except BadRequest as error:
                status, answer = 400, {"error": str(error)}
            except Exception as error:  # noqa: BLE001  whatever the prover raises is told, and the next request is served
                status, answer = 500, {"error": f"{type(error).__name__}: {error}"}
            self._send(status, answer)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the log is for what the prover says."""

        def _answer(self) -> dict[str, Any]:
            body = self._body()
            if self.path not in ("/prove", "/validate"):
                raise BadRequest("no such call")
            request_id, data = _text(body, "request_id"), _bytes(body, "data")
            with turn:
                if self.path == "/prove":
                    return {"proof": base64.b64encode(prover.prove(request_id, data)).decode()}
                return {"valid": prover.validate(request_id, _bytes(body, "proof"), data)}

        def _body(self) -> dict[str, Any]:
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > BODY_LIMIT:
                self.close_connection = True
                raise BadRequest("the body has no length, or is too large")
            try:
                body = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                body = None
            if not isinstance(body, dict):
                raise BadRequest("the body is no JSON object")
            return body

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            payload = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

    _Server(("", PORT), Handler).serve_forever()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own looks its name up, and there is no network to ask


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"{name} is no string")
    return value


def _bytes(body: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(_text(body, name), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"{name} is no base64") from None
