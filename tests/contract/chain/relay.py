"""A WebSocket in front of a chain node: it passes everything on, unless a test makes it do worse.

A real chain node behind it keeps the answers true; what is played here are the faults that a real one has
only by chance: lost transactions, a mempool that leaves a cheap one waiting, silence, nonsense.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import rlp  # type: ignore[import-untyped]
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from gpn_desktop.core.eip712 import keccak

Request = dict[str, Any]
# The text to send in the chain node's place; None passes the request on, as it was or as it was changed.
Answer = Callable[[Request], str | None]
SILENCE = ""


class Relay:
    """``asked`` holds the methods that came, in order; ``answer`` may be changed at any time."""

    def __init__(self, target: str, port: int = 0) -> None:
        self._target = target
        self.port = port
        self.answer: Answer = lambda _: None
        self.asked: list[str] = []
        self._server: Server | None = None
        self._came = asyncio.Event()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def open(self) -> Relay:
        self._server = await serve(self._speak, "127.0.0.1", self.port, max_size=None)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def aclose(self) -> None:
        """The endpoint dies: nothing that was asked is answered any more."""
        if self._server is not None:
            for connection in list(self._server.connections):
                connection.transport.abort()
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def until_asked(self, method: str, times: int = 1) -> None:
        async with asyncio.timeout(20):
            while self.asked.count(method) < times:
                self._came.clear()
                await self._came.wait()

    async def _speak(self, near: ServerConnection) -> None:
        async with connect(self._target, max_size=None, proxy=None) as far:
            back = asyncio.create_task(self._back(far, near))
            with suppress(ConnectionClosed):
                async for text in near:
                    request = json.loads(text)
                    self.asked.append(request["method"])
                    self._came.set()
                    reply = self.answer(request)
                    if reply == SILENCE:
                        continue
                    if reply is None:
                        await far.send(json.dumps(request))
                    else:
                        await near.send(reply)
            back.cancel()

    async def _back(self, far: Any, near: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for text in far:
                await near.send(text)


def result(request: Request, value: object) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": value})


def refusal(request: Request, message: str, code: int = -32000) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": message}})


class Mempool:
    """An endpoint's mempool: what tips less than ``least`` waits in it, and no block takes it.

    With ``loses`` set it takes transactions and forgets them at once.
    """

    def __init__(self, least: int = 0, loses: bool = False) -> None:
        self.least = least
        self.loses = loses
        self.came: list[bytes] = []
        self._kept: set[str] = set()

    def __call__(self, request: Request) -> str | None:
        if request["method"] == "eth_sendRawTransaction":
            raw = bytes.fromhex(request["params"][0][2:])
            self.came.append(raw)
            tip = int.from_bytes(rlp.decode(raw[1:])[2], "big")
            if self.loses or tip < self.least:
                tx_hash = "0x" + keccak(raw).hex()
                if not self.loses:
                    self._kept.add(tx_hash)
                return result(request, tx_hash)
        if request["method"] == "eth_getTransactionByHash" and request["params"][0] in self._kept:
            return result(request, {"hash": request["params"][0], "blockNumber": None})
        return None
