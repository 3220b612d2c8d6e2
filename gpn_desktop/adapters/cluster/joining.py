"""How a worker gets its certificate: a code, good for one worker and a quarter of an hour.

The code names the node and the fingerprint of its authority, so that the worker knows whom it talks to before
it says anything, and a token, of which the node keeps only the hash. The worker makes its own key; what
travels is a signing request and the certificate.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from gpn_desktop.adapters.cluster import certificates
from gpn_desktop.adapters.cluster.certificates import Authority, Papers
from gpn_desktop.adapters.files import locked, replace_file
from gpn_desktop.core import jsontext
from gpn_desktop.core.errors import ClusterUnreachable, GpnError, JoinRefused

GOOD_FOR = 900.0  # seconds
TOKEN_BYTES = 16
MAX_MESSAGE = 16 * 1024
MAX_AT_ONCE = 8
TIMEOUT = 10.0
_PREFIX = "gpn1-"


@dataclass(frozen=True, slots=True)
class JoinCode:
    """Where the node's scheduler listens (enrolment is one port above), and what proves each to the other."""

    host: str
    port: int
    fingerprint: bytes
    token: bytes

    def __str__(self) -> str:
        raw = self.fingerprint + self.token + self.port.to_bytes(2, "big") + self.host.encode("ascii")
        return _PREFIX + base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, text: str) -> JoinCode:
        """JoinRefused for what is no code."""
        try:
            if not text.startswith(_PREFIX):
                raise ValueError
            body = text.removeprefix(_PREFIX)
            raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            host = raw[50:].decode("ascii")
            if not host or len(host) > 255 or not host.isprintable():
                raise ValueError
            return cls(host, int.from_bytes(raw[48:50], "big"), raw[:32], raw[32:48])
        except ValueError:
            raise JoinRefused("This is no join code, or a part of it is missing.") from None


class Invitations:
    """The codes that are still good, by their tokens' hashes, in a file that other programs may write."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._path = folder / "invitations.json"
        self._now = now

    def invite(self) -> bytes:
        """A new token."""
        token = secrets.token_bytes(TOKEN_BYTES)
        with locked(self._folder):
            self._write({**self._open(), sha256(token).hexdigest(): self._now() + GOOD_FOR})
        return token

    def redeem(self, token: bytes) -> bool:
        """Whether the token is good; it is not any more afterwards."""
        with locked(self._folder):
            known = self._open()
            found = known.pop(sha256(token).hexdigest(), None)
            if found is not None:
                self._write(known)
        return found is not None

    def _open(self) -> dict[str, float]:
        try:
            text = self._path.read_bytes()[: MAX_MESSAGE * 64]
            known = {str(name): float(until) for name, until in jsontext.parse(text).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            known = {}  # what cannot be read invites nobody
        return {name: until for name, until in known.items() if until > self._now()}

    def _write(self, known: dict[str, float]) -> None:
        replace_file(self._path, json.dumps(known))


class Enrolment:
    """The node's side: gives a certificate for a good token. Whatever else comes is answered or cut off."""

    def __init__(self, authority: Authority, invitations: Invitations, version: str) -> None:
        self._authority = authority
        self._invitations = invitations
        self._version = version
        self._server: asyncio.Server | None = None
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def start(self, host: str, port: int) -> int:
        """Listens; gives the port."""
        papers = self._authority.papers
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(papers.certificate, papers.key)
        self._server = await asyncio.start_server(
            self._serve, host, port, ssl=context, limit=MAX_MESSAGE, ssl_handshake_timeout=TIMEOUT
        )
        port = self._server.sockets[0].getsockname()[1]
        return port

    async def aclose(self) -> None:
        if self._server is not None:
            self._server.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), TIMEOUT)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._places, asyncio.timeout(TIMEOUT):
                _send(writer, {"authority": self._authority.certificate()})
                try:
                    answer = await asyncio.to_thread(self._answer, await _receive(reader))
                except GpnError as error:
                    answer = {"error": error.message}
                _send(writer, answer)
                await writer.drain()
        except (OSError, TimeoutError, ValueError, EOFError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            writer.close()

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("version") != self._version:
            raise JoinRefused(f"The node runs version {self._version}; the worker has to run the same.")
        if not self._invitations.redeem(bytes.fromhex(str(asked.get("token", "")))):
            raise JoinRefused("The code was used already, or its time is over.")
        return {"certificate": self._authority.sign(str(asked.get("request", "")))}


async def join(code: JoinCode, papers: Papers, name: str, version: str) -> None:
    """The worker's side: gets its papers and keeps them.

    Raises:
        JoinRefused: the code is not good, or who answers is not the node that gave it.
        ClusterUnreachable
    """
    key = certificates.new_key()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is checked below, against the code's fingerprint
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_connection(
                code.host, code.port + 1, ssl=context, limit=MAX_MESSAGE
            )
            try:
                authority = str((await _receive(reader)).get("authority", ""))
                leaf = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                if not _is_the_one(authority, leaf, code.fingerprint):
                    raise JoinRefused("Who answers there is not the node that the code came from.")
                request = certificates.request_of(key, name)
                _send(writer, {"token": code.token.hex(), "request": request, "version": version})
                answer = await _receive(reader)
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError, EOFError, asyncio.LimitOverrunError) as error:
        where = f"{code.host}:{code.port + 1}"
        raise ClusterUnreachable(f"The node does not answer at {where}: {error or 'no answer'}") from error
    if "error" in answer:
        raise JoinRefused(str(answer["error"])[:500])
    await asyncio.to_thread(certificates.keep, papers, authority, str(answer.get("certificate", "")), key)


def _is_the_one(authority: str, leaf: bytes | None, fingerprint: bytes) -> bool:
    try:
        known = secrets.compare_digest(certificates.fingerprint_of(authority), fingerprint)
    except ValueError:
        return False
    return known and leaf is not None and certificates.issued_by(leaf, authority)


def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")


async def _receive(reader: asyncio.StreamReader) -> dict[str, Any]:
    """One message of one line; ValueError for anything else."""
    message = jsontext.parse(await reader.readuntil(b"\n"))
    if not isinstance(message, dict):
        raise ValueError("no message")
    return message
