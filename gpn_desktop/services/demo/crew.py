"""The demo's operators: node processes, what they say, and their deaths."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gpn_desktop.core.errors import GpnError
from gpn_desktop.core.types import Address
from gpn_desktop.ports.processes import Launcher, NodeEvent, NodeProcess, NodeSpec

START_SECONDS: Final = 60.0


class CrewError(GpnError):
    code = "GPN-1901"
    remedy = "The nodes' logs in the demo's folder say more."


@dataclass
class Told:
    """An event of one operator; ``address`` says whose."""

    address: Address
    name: str
    fields: NodeEvent


@dataclass
class Crew:
    launcher: Launcher
    told: list[Told] = field(default_factory=list)
    listeners: list[Callable[[Told], None]] = field(default_factory=list)
    running: dict[Address, NodeProcess] = field(default_factory=dict)
    _readers: set[asyncio.Task[None]] = field(default_factory=set)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _leaving: list[NodeProcess] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    _ended: set[NodeProcess] = field(default_factory=set)

    async def launch(self, spec: NodeSpec) -> NodeEvent:
        """Start a node and wait until it serves; its ``ready`` event."""
        began = len(self.told)
        process = await self.launcher.launch(spec)
        self.running[spec.key.address] = process
        reader = asyncio.create_task(self._read(process))
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        ready = await self.until(
            lambda t: t.address == spec.key.address and t.name == "ready", START_SECONDS, since=began
        )
        return ready.fields

    async def _read(self, process: NodeProcess) -> None:
        address = process.spec.key.address
        async for fields in process.events():
            told = Told(address, str(fields.get("event", "")), fields)
            self.told.append(told)
            for listener in list(self.listeners):
                listener(told)
            async with self._news:
                self._news.notify_all()
        self._ended.add(process)
        if process not in self._leaving:
            self.lost.append(process.spec.name)
        async with self._news:
            self._news.notify_all()

    async def until(self, wanted: Callable[[Told], bool], within: float, since: int = 0) -> Told:
        """The first event from ``since`` on that fits; CrewError when none comes or a node dies."""
        seen = since
        try:
            async with asyncio.timeout(within), self._news:
                while True:
                    for told in self.told[seen:]:
                        seen += 1
                        if wanted(told):
                            return told
                    if self.lost:
                        raise CrewError(f"Node {self.lost[0]} ended by itself.")
                    await self._news.wait()
        except TimeoutError as error:
            raise CrewError(f"A node did not get ready within {within:.0f} s.") from error

    async def all_told(self, name: str, within: float, since: int = 0, **fields: object) -> None:
        """Every running node has said it, with these fields, from ``since`` on."""

        def said(told: Told, address: Address) -> bool:
            return told.address == address and told.name == name and fields.items() <= told.fields.items()

        for address in list(self.running):
            await self.until(partial(said, address=address), within, since)

    def kill(self, address: Address) -> NodeSpec:
        """SIGKILL; the spec is what is needed to start it again."""
        process = self.let_die(address)
        process.kill()
        return process.spec

    def let_die(self, address: Address) -> NodeProcess:
        """A node that will end by itself, without being counted as lost."""
        process = self.running.pop(address)
        self._leaving.append(process)
        return process

    async def ended(self, process: NodeProcess, within: float) -> None:
        """The process has ended; CrewError when it does not."""
        try:
            async with asyncio.timeout(within), self._news:
                await self._news.wait_for(lambda: process in self._ended)
        except TimeoutError as error:
            raise CrewError(f"{process.spec.name} still runs after {within:.0f} s.") from error

    async def stop(self, address: Address) -> None:
        """End a node in good order."""
        await self.let_die(address).stop()

    async def aclose(self) -> None:
        processes = list(self.running.values())
        self._leaving += processes
        self.running.clear()
        await asyncio.gather(*(p.stop() for p in processes))
        for reader in list(self._readers):
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
