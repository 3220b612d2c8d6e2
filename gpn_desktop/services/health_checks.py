"""What the doctor asks, of this machine and of the node if one runs, and by which rule it judges."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gpn_desktop.core import health as rules
from gpn_desktop.core import reach
from gpn_desktop.core.errors import ContractMissing, EngineMissing, KeyringUnavailable
from gpn_desktop.core.health import Finding, undecided
from gpn_desktop.core.reach import Endpoint, Port, PortState
from gpn_desktop.core.types import hex0x
from gpn_desktop.ports.health import Probes, ServerTime, Subject
from gpn_desktop.services.health import Check

if TYPE_CHECKING:
    from gpn_desktop.services.facade import Facade

# Whether there is a key, and whether its backup was restored once as a test; None: this cannot be told.
BackupState = Callable[[], tuple[bool, bool] | None]
_HOST: Final = re.compile(r"/(?:ip4|ip6|dns|dns4|dns6)/([^/]+)")
_TCP: Final = re.compile(r"/tcp/(\d{1,5})")


class NodeChecks:
    """Args:
    probes: asks the machine.
    subject: what the settings say now; they may have been changed since the last check. Blocks.
    backup: what is known of the key's backup.
    """

    def __init__(
        self, probes: Probes, subject: Callable[[], Subject], backup: BackupState = lambda: None
    ) -> None:
        self._probes = probes
        self._subject = subject
        self._backup = backup

    def all(self) -> tuple[Check, ...]:
        return (
            Check("settings", "Settings", self.settings),
            Check("docker", "Docker engine", self.docker),
            Check("gpu", "GPU and driver", self.gpu),
            Check("disk", "Disk space", self.disk),
            Check("folder", "Data folder", self.folder),
            Check("clock", "Clock", self.clock, within=9.0),
            Check("ports", "Ports and reachability", self.ports),
            Check("chain", "Chain endpoints", self.chain, within=9.0),
            Check("contract", "Settlement contract", self.contract, within=9.0),
            Check("keyring", "System keyring", self.keyring, within=9.0),
            Check("backup", "Key backup", self.backup),
            Check("versions", "Versions", self.versions),
        )

    async def settings(self, facade: Facade | None) -> Finding:
        subject = await self._now()
        return rules.judge_settings(subject.problem, subject.remedy, subject.source)

    # the machine ----------------------------------------------------------------------------------------

    async def docker(self, facade: Facade | None) -> Finding:
        needed = (await self._now()).containers
        try:
            return rules.judge_engine(await self._probes.engine(), needed)
        except EngineMissing as error:
            return rules.judge_engine(None, needed, f"{error.message} [{error.code}]", error.remedy)

    async def gpu(self, facade: Facade | None) -> Finding:
        found = await self._probes.gpus()
        return rules.judge_gpus(found.usable, found.others, found.why, (await self._now()).gpus)

    async def disk(self, facade: Facade | None) -> Finding:
        subject = await self._now()
        data = await self._probes.disk(subject.data_dir)
        places = [("data folder", *data)]
        journal = await self._probes.disk(subject.journal)
        if journal[1] != data[1]:  # another disk; the free bytes change while they are asked for
            places.append(("journal", *journal))
        return rules.judge_disk(places)

    async def folder(self, facade: Facade | None) -> Finding:
        return rules.judge_folder(await self._probes.folder((await self._now()).data_dir))

    async def versions(self, facade: Facade | None) -> Finding:
        return rules.judge_versions(await self._probes.versions(), await self._probes.missing())

    async def keyring(self, facade: Facade | None) -> Finding:
        key_file = (await self._now()).key_file
        try:
            return rules.judge_keyring(await self._probes.keyring(), "", key_file)
        except KeyringUnavailable as error:
            return rules.judge_keyring("", f"{error.message} [{error.code}]", key_file)

    async def backup(self, facade: Facade | None) -> Finding:
        state = self._backup()
        if state is None:
            remedy = "Open Wallet in the window: it knows whether a test restore has passed."
            return undecided("backup", "Key backup", "Not known here", remedy)
        return rules.judge_backup(*state)

    # the network ----------------------------------------------------------------------------------------

    async def ports(self, facade: Facade | None) -> Finding:
        subject = await self._now()
        listens = facade.view().listen if facade is not None else ()
        mine = {int(found[1]) for found in map(_TCP.search, listens) if found}
        wanted = (
            ("peers", *subject.p2p, "p2p.port", mine),
            ("consumers", *subject.grpc, "grpc.port", {subject.grpc[1]} if facade is not None else set()),
        )
        ports = [
            Port(name, host, port, await self._port(host, port, ours), setting)
            for name, host, port, setting, ours in wanted
        ]
        announced = [found[1] for found in map(_HOST.search, subject.announced) if found]
        heard = [found[1] for found in map(_HOST.search, listens) if found]
        return reach.judge_ports(ports, (*heard, *await self._probes.addresses()), announced)

    async def _port(self, host: str, port: int, ours: set[int]) -> PortState:
        if port == 0:
            return PortState.ANY
        return PortState.OURS if port in ours else await self._probes.port(host, port)

    async def chain(self, facade: Facade | None) -> Finding:
        subject = await self._now()
        if subject.testing:
            return _testing("chain", "Chain endpoints")
        return reach.judge_endpoints(await self._endpoints(subject), subject.chain_id)

    async def contract(self, facade: Facade | None) -> Finding:
        subject = await self._now()
        if subject.testing:
            return _testing("contract", "Settlement contract")
        if subject.contract is None:
            remedy = "Set chain.contract to the address that your network has published."
            return undecided("contract", "Settlement contract", "No contract is named", remedy)
        where = hex0x(subject.contract)
        for url, endpoint in zip(subject.endpoints, await self._endpoints(subject), strict=True):
            if endpoint.error:
                continue
            try:
                same = await self._probes.contract(url, endpoint.chain_id, subject.contract)
            except ContractMissing as error:
                return reach.judge_contract(False, where, error.message)
            return reach.judge_contract(same, f"{where} on chain {endpoint.chain_id}")
        return reach.judge_contract(None, where, "No chain endpoint answers")

    async def clock(self, facade: Facade | None) -> Finding:
        """By a web server's clock to the second; by the newest block only as far as that can tell.

        A block may be seconds old by right. One from the future proves a clock that is behind; one that is
        old may as well be a chain node that has fallen behind, and proves nothing.
        """
        subject = await self._now()
        if subject.testing or not subject.endpoints:
            return reach.judge_clock(None, "no chain endpoint is set, and peers tell no time")
        times = await asyncio.gather(*(self._time(url) for url in subject.endpoints))
        told = [time for time in times if time is not None]
        if told:
            skews = sorted(time.skew for time in told)
            names = ", ".join(time.name for time in told)
            return reach.judge_clock(skews[len(skews) // 2], f"the clock of {names}")
        fresh = [e for e in await self._endpoints(subject) if not e.error and e.age < reach.HEAD_WARN]
        if not fresh:
            return reach.judge_clock(None, "no chain node answers with a recent block")
        newest = min(fresh, key=lambda endpoint: endpoint.age)
        skew = newest.age if newest.age < -reach.SKEW_WARN else 0.0
        old = rules.age(newest.age)
        return reach.judge_clock(
            skew, f"block {newest.head:,} of {newest.name}, {old} old, and nothing finer"
        )

    async def _time(self, url: str) -> ServerTime | None:
        return await self._probes.server_time(url)

    async def _endpoints(self, subject: Subject) -> list[Endpoint]:
        return await asyncio.gather(*(self._probes.endpoint(url) for url in subject.endpoints))

    async def _now(self) -> Subject:
        return await asyncio.to_thread(self._subject)


def _testing(key: str, title: str) -> Finding:
    return Finding(
        key,
        title,
        rules.Level.GOOD,
        "Testing mode uses no chain",
        "Nothing is earned in testing mode.",
        'To earn, set node.mode to "production".',
    )
