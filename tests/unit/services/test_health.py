"""The doctor: each rule's verdict with what to do, and that one check that hangs or breaks hides no other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gpn_desktop.core import health as rules
from gpn_desktop.core import reach
from gpn_desktop.core.errors import EngineMissing, KeyringUnavailable, ProbeFailed
from gpn_desktop.core.health import GB, Engine, Finding, Folder, Level
from gpn_desktop.core.reach import Endpoint, Port, PortState
from gpn_desktop.core.types import Address
from gpn_desktop.ports.health import Gpus, ServerTime, Subject
from gpn_desktop.services.health import Check, Health
from gpn_desktop.services.health_checks import NodeChecks

CONTRACT = Address(bytes(range(20)))


class Machine:
    """Probes of a machine that is well; a test makes some of it ill."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {
            "engine": Engine("27.3", "1.47", "linux/amd64"),
            "gpus": Gpus((), (), ""),
            "disk": (100 * GB, 500 * GB),
            "folder": Folder("/data", True, True, 0o700),
            "port": PortState.FREE,
            "addresses": ("8.8.8.8",),
            "endpoint": Endpoint("one.example", 5, 1000, 3.0),
            "server_time": ServerTime("one.example", 0.4),
            "contract": True,
            "keyring": "SecretService",
            "versions": (("gpn-desktop", "0.1.0"),),
            "missing": (),
        }

    def __getattr__(self, name: str) -> Any:
        async def answer(*_: object) -> Any:
            found = self.said[name]
            if isinstance(found, Exception):
                raise found
            return found

        return answer


def subject(**changes: Any) -> Subject:
    given: dict[str, Any] = {
        "data_dir": Path("/data"), "journal": Path("/data/5"), "source": "config.toml",
        "p2p": ("0.0.0.0", 4410), "grpc": ("127.0.0.1", 4411), "endpoints": ("wss://one.example/key",),
        "chain_id": 5, "contract": CONTRACT,
    }  # fmt: skip
    return Subject(**{**given, **changes})


async def found(machine: Machine, about: Subject, backup: Any = lambda: (True, True)) -> dict[str, Finding]:
    health = Health(NodeChecks(machine, lambda: about, backup).all())  # type: ignore[arg-type]
    return {finding.key: finding for finding in await health.recheck()}


async def test_a_machine_that_is_well() -> None:
    findings = await found(Machine(), subject(gpus=False))
    assert {key: finding.level for key, finding in findings.items() if finding.level is not Level.GOOD} == {}
    assert len(findings) == 12
    assert all(finding.result and finding.meaning for finding in findings.values())


@pytest.mark.parametrize(
    ("probe", "answer", "changes", "key", "level", "remedy"),
    [
        ("engine", EngineMissing("No engine answers."), {}, "docker", Level.BAD, "Install and start Docker"),
        ("engine", EngineMissing("No engine."), {"containers": False}, "docker", Level.WARN, "node.runtime"),
        ("gpus", Gpus((), ("RTX 4090",), "driver too old"), {"gpus": True}, "gpu", Level.BAD, "driver"),
        ("gpus", Gpus(("RTX 4090",), (), ""), {"gpus": False}, "gpu", Level.WARN, "limits.gpus"),
        ("disk", (6 * GB, 500 * GB), {}, "disk", Level.WARN, "Remove images"),
        ("disk", (2 * GB, 500 * GB), {}, "disk", Level.BAD, "Remove images"),
        ("folder", Folder("/data", True, False, 0o700), {}, "folder", Level.BAD, "Give the folder"),
        ("folder", Folder("/data", True, True, 0o777), {}, "folder", Level.WARN, "to this user"),
        ("folder", Folder("/data", False, False, None), {}, "folder", Level.BAD, "node.data_dir"),
        ("server_time", ServerTime("one.example", 14.0), {}, "clock", Level.BAD, "NTP"),
        ("server_time", ServerTime("one.example", -4.0), {}, "clock", Level.WARN, "NTP"),
        ("port", PortState.TAKEN, {}, "ports", Level.BAD, "port"),
        ("endpoint", Endpoint("one.example", 1, 1000, 3.0), {}, "chain", Level.BAD, ""),
        ("endpoint", Endpoint("one.example", error="refused"), {}, "chain", Level.BAD, ""),
        ("contract", False, {}, "contract", Level.BAD, ""),
        ("keyring", KeyringUnavailable("No keyring."), {}, "keyring", Level.WARN, "keystore"),
        ("keyring", KeyringUnavailable("No keyring."), {"key_file": True}, "keyring", Level.GOOD, ""),
        ("missing", ("libp2p",), {}, "versions", Level.BAD, "Install GPN Desktop again"),
    ],
)  # fmt: skip
async def test_what_is_ill_says_what_to_do(
    probe: str, answer: object, changes: dict[str, Any], key: str, level: Level, remedy: str
) -> None:
    machine = Machine()
    machine.said[probe] = answer
    finding = (await found(machine, subject(**changes)))[key]
    assert finding.level is level
    assert remedy in finding.remedy
    assert finding.meaning
    if level is not Level.GOOD:
        assert finding.remedy


async def test_settings_that_cannot_be_used_and_a_backup_that_was_never_tested() -> None:
    findings = await found(
        Machine(), subject(problem="grpc.port is no port", remedy="Correct it."), lambda: (True, False)
    )
    assert (findings["settings"].level, findings["settings"].remedy) == (Level.BAD, "Correct it.")
    assert findings["backup"].level is Level.WARN
    unknown = await found(Machine(), subject(), lambda: None)
    assert unknown["backup"].level is Level.UNKNOWN


async def test_testing_mode_asks_no_chain() -> None:
    machine = Machine()
    machine.said["endpoint"] = AssertionError("asked")
    findings = await found(machine, subject(testing=True))
    assert findings["chain"].level is findings["contract"].level is Level.GOOD


async def test_one_check_that_hangs_or_breaks_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def hangs(_: object) -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    async def breaks(_: object) -> Finding:
        raise ZeroDivisionError("a mistake")

    async def refused(_: object) -> Finding:
        raise ProbeFailed("no disk answers")

    async def good(_: object) -> Finding:
        return Finding("good", "Good", Level.GOOD, "fine", "fine")

    health = Health(
        [Check("hangs", "Hangs", hangs, 0.05), Check("breaks", "Breaks", breaks),
         Check("refused", "Refused", refused), Check("good", "Good", good)]
    )  # fmt: skip
    told: list[frozenset[str]] = []
    undo = health.subscribe(lambda: told.append(health.running))
    both = await asyncio.gather(health.recheck(), health.recheck())
    undo()
    assert both[0] == both[1]
    levels = {finding.key: finding.level for finding in both[0]}
    assert levels == {
        "hangs": Level.UNKNOWN,
        "breaks": Level.UNKNOWN,
        "refused": Level.UNKNOWN,
        "good": Level.GOOD,
    }
    assert "within 0.05 s" in health.findings["hangs"].result
    assert "GPN-2020" in health.findings["refused"].result
    assert "ZeroDivisionError" in health.findings["breaks"].result
    assert told[0] >= {"hangs", "breaks", "good"}
    assert health.running == frozenset()
    assert (await health.recheck("good"))[-1].key == "good"


async def test_leaving_ends_the_checks_under_way() -> None:
    async def hangs(_: object) -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    health = Health([Check("hangs", "Hangs", hangs, 60)])
    asking = asyncio.ensure_future(health.recheck())
    await asyncio.sleep(0)
    await health.aclose()
    assert await asking == ()
    assert health.running == frozenset()


def test_amounts_are_never_rounded_up() -> None:
    assert rules.amount(19_999_999_999) == "19.9 GB"
    assert rules.amount(5 * GB) == "5 GB"
    assert rules.amount(999) == "0 kB"
    assert rules.quoted("it's") == "'it'\\''s'"


def test_a_node_behind_a_router_is_told_so() -> None:
    port = Port("peers", "0.0.0.0", 4410, PortState.FREE, "p2p.port")
    behind = reach.judge_ports([port], ("192.168.1.20", "127.0.0.1"), ())
    public = reach.judge_ports([port], ("8.8.8.8",), ())
    assert behind.level is Level.WARN
    assert public.level is Level.GOOD
    assert "TCP port 4410 to 192.168.1.20" in behind.remedy
    assert "/ip4/203.0.113.5/tcp/4410" in behind.remedy


def test_where_the_provider_shares_an_address_no_router_is_blamed() -> None:
    port = Port("peers", "0.0.0.0", 4410, PortState.OURS, "p2p.port")
    shared = reach.judge_ports([port], ("100.72.3.4", "127.0.0.1", "fe80::1"), ())
    assert shared.level is Level.WARN
    assert "CGNAT" in shared.meaning
    assert "forward" not in shared.remedy
    # A virtual private network has such addresses too, beside that of the local network.
    both = reach.judge_ports([port], ("100.72.3.4", "192.168.1.20"), ())
    assert "TCP port 4410 to 192.168.1.20" in both.remedy
