"""A node and workers on this machine, as processes, with real certificates: load, losses, strangers."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from distributed import Client
from distributed.security import Security

from gpn_desktop.adapters.builtin.runtime import BuiltinRuntime
from gpn_desktop.adapters.cluster.certificates import Authority, Papers
from gpn_desktop.adapters.cluster.joining import GOOD_FOR, Invitations, JoinCode, join
from gpn_desktop.adapters.cluster.security import security
from gpn_desktop.adapters.docker import DockerOptions, DockerRuntime
from gpn_desktop.core.errors import (
    ClusterNotSetUp,
    ClusterUnreachable,
    JoinRefused,
    ProverFault,
    ProverLost,
    ProverTimeout,
)
from gpn_desktop.core.manifest import GIB, Limits
from gpn_desktop.ports.cluster import WorkerState
from tests.contract.cluster.site import IMAGE, Site, site
from tests.contract.runtime import images
from tests.services.world import until

pytestmark = pytest.mark.timeout(180)
WITHIN = 30.0


def right(ref: str, data: bytes) -> bytes:
    return sha256(ref.encode() + data).digest()


async def test_the_load_is_shared_by_slots(tmp_path: Path) -> None:
    async with site(tmp_path, slots=1, delay=1.0) as here:
        await here.runtime.ensure(IMAGE)
        await asyncio.gather(here.worker("one"), here.worker("two", GPN_CAPACITY="2"))
        assert here.runtime.elsewhere() == 3
        began = time.monotonic()

        proving = [here.runtime.prove(IMAGE, f"ref-{n}", b"data", WITHIN) for n in range(8)]
        gathered = asyncio.gather(*proving)
        await here.state_of("two", WorkerState.BUSY)
        await here.state_of("one", WorkerState.BUSY)
        proofs = await gathered

        assert proofs == [right(f"ref-{n}", b"data") for n in range(8)]
        assert time.monotonic() - began < 5.0  # two rounds of four; one machine would need eight seconds
        assert {view.state for view in here.runtime.workers()} == {WorkerState.READY}


async def test_a_worker_killed_in_mid_proof_costs_one_repetition(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.runtime.ensure(IMAGE)
        one, two = await asyncio.gather(here.worker("one", delay=2), here.worker("two", delay=2))
        began = time.monotonic()
        proving = asyncio.create_task(here.runtime.prove(IMAGE, "ref", b"data", WITHIN))
        await until(lambda: any(v.used for v in here.runtime.workers()), "a worker at work")
        busy = [v.name for v in here.runtime.workers() if v.used]
        await asyncio.wait([proving], timeout=0.5)

        victim = one if busy == ["one"] else two
        victim.process.kill()

        assert await proving == right("ref", b"data")
        assert time.monotonic() - began < 8.0
        assert (await here.state_of(victim.name, WorkerState.LOST)).used == 0
        assert here.runtime.elsewhere() == 1


async def test_the_last_worker_lost_leaves_the_proof_to_this_machine(tmp_path: Path) -> None:
    async with site(tmp_path, slots=1, delay=0.1) as here:
        await here.runtime.ensure(IMAGE)
        one = await here.worker("one", delay=60)
        local = asyncio.create_task(here.runtime.prove(IMAGE, "first", b"", WITHIN))
        there = asyncio.create_task(here.runtime.prove(IMAGE, "second", b"", WITHIN))
        await here.state_of("one", WorkerState.BUSY)

        one.process.kill()

        assert await there == right("second", b"")
        assert await local == right("first", b"")


async def test_workers_prove_in_sandboxes_of_their_own(tmp_path: Path) -> None:
    images.need_docker()
    image, data = images.built("groth16"), images.sample("groth16")
    local = DockerRuntime(f"test-{tmp_path.name}", DockerOptions(caps=Limits(memory=GIB)))
    async with site(tmp_path, local=local) as here:
        await here.runtime.ensure(image)
        one, two = await asyncio.gather(
            here.worker("one", GPN_RUNTIME="docker"), here.worker("two", GPN_RUNTIME="docker")
        )
        proving = [asyncio.create_task(here.runtime.prove(image, f"ref-{n}", data, 60)) for n in range(3)]
        await here.state_of("one", WorkerState.BUSY)
        one.process.kill()

        for number, proof in enumerate(await asyncio.gather(*proving)):
            assert await here.runtime.validate(image, f"ref-{number}", proof, data, WITHIN)
        left = one.node_id
        assert images.containers(left)
        await here.launch("one", None, GPN_RUNTIME="docker")  # the start after a crash clears up
        await here.state_of("one", WorkerState.READY)
        assert len(images.containers(left)) == 4
        two.process.send_signal(signal.SIGTERM)
        assert await two.ended() == 0
        assert images.containers(two.node_id) == []


async def test_a_large_log_and_an_error_come_across(tmp_path: Path) -> None:
    images.need_docker()
    image = images.hostile()
    local = DockerRuntime(f"test-{tmp_path.name}")
    async with site(tmp_path, local=local) as here:
        await here.runtime.ensure(image)
        one = await here.worker("one", GPN_RUNTIME="docker")
        heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        with pytest.raises(ProverFault, match="HTTP 500"):
            await here.runtime.prove(image, "chatter", b"", WITHIN, heard.set_result)
        assert (await asyncio.wait_for(heard, 10)).endswith("the end")
        with pytest.raises(ProverLost, match="status 3"):
            await here.runtime.prove(image, "exit", b"", WITHIN)
        one.process.send_signal(signal.SIGTERM)
        assert await one.ended() == 0


async def test_a_deadline_is_total_and_frees_the_worker(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.runtime.ensure(IMAGE)
        await here.worker("one", delay=2)
        with pytest.raises(ProverTimeout):
            await here.runtime.prove(IMAGE, "late", b"", 0.5)
        cancelled = asyncio.create_task(here.runtime.prove(IMAGE, "cancelled", b"", WITHIN))
        await here.state_of("one", WorkerState.BUSY)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled

        began = time.monotonic()
        assert await here.runtime.prove(IMAGE, "next", b"", WITHIN) == right("next", b"")
        assert time.monotonic() - began < 4.5  # neither of the two before it runs on


async def test_a_large_input_is_carried_once_and_comes_whole(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.runtime.ensure(IMAGE)
        await here.worker("one", delay=0.0)
        data = os.urandom(8 * 1024 * 1024)

        for number in range(3):
            assert await here.runtime.prove(IMAGE, f"ref-{number}", data, WITHIN) == right(
                f"ref-{number}", data
            )

        assert len(here.runtime._inputs) == 1
        assert await here.runtime.prove(IMAGE, "small", b"x", WITHIN) == right("small", b"x")
        assert len(here.runtime._inputs) == 1


async def test_a_worker_that_is_told_to_stop_finishes_first(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.runtime.ensure(IMAGE)
        one = await here.worker("one", delay=2)
        proving = asyncio.create_task(here.runtime.prove(IMAGE, "ref", b"", WITHIN))
        await here.state_of("one", WorkerState.BUSY)

        one.process.send_signal(signal.SIGTERM)

        assert await proving == right("ref", b"")
        assert await one.ended() == 0
        await here.state_of("one", WorkerState.LOST)


async def test_a_worker_comes_back_when_the_node_does(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        await here.runtime.ensure(IMAGE)
        await here.worker("one", delay=0.1)
        await here.runtime.aclose()

        await here.start()
        await here.runtime.ensure(IMAGE)

        await here.state_of("one", WorkerState.READY)
        assert await here.runtime.prove(IMAGE, "ref", b"", WITHIN) == right("ref", b"")


async def test_whoever_has_no_certificate_of_ours_is_refused(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        other = Authority(tmp_path / "other")
        await asyncio.to_thread(other.create)
        mixed = Papers(here.authority.papers.authority, other.papers.certificate, other.papers.key)
        address = f"tls://127.0.0.1:{here.port}"
        for strange in (None, security(other.papers), security(mixed)):
            settings = strange or Security(require_encryption=False)
            with pytest.raises((OSError, TypeError, ssl.SSLError)):
                await Client(address if strange else f"tcp://127.0.0.1:{here.port}", security=settings,
                             asynchronous=True, set_as_default=False, timeout=3)  # fmt: skip
        async with Client(address, security=security(here.authority.papers), asynchronous=True,
                          set_as_default=False, timeout=10) as ours:  # fmt: skip
            assert ours.status == "running"


async def test_a_code_is_good_once_and_for_one_node(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        code, papers = here.code(), Papers.in_folder(tmp_path / "mine")
        await join(code, papers, "mine", here.runtime._options.version)
        assert papers.complete
        assert oct(papers.key.stat().st_mode & 0o777) == "0o600" or os.name == "nt"

        again = Papers.in_folder(tmp_path / "again")
        version = here.runtime._options.version
        wrong_node = JoinCode(code.host, code.port, bytes(32), code.token)
        for bad in (code, JoinCode(code.host, code.port, code.fingerprint, bytes(16)), wrong_node):
            with pytest.raises(JoinRefused):
                await join(bad, again, "again", version)
        with pytest.raises(JoinRefused, match="version"):
            await join(here.code(), again, "again", "0.0.0")
        with pytest.raises(ClusterUnreachable):
            await join(JoinCode("127.0.0.1", 1, code.fingerprint, code.token), again, "again", version)
        assert not again.complete


def test_a_code_ends_after_its_time(tmp_path: Path) -> None:
    now = [1000.0]
    invitations = Invitations(tmp_path, lambda: now[0])
    first, second = invitations.invite(), invitations.invite()
    assert invitations.redeem(first)
    assert not invitations.redeem(first)
    now[0] += GOOD_FOR + 1
    assert not invitations.redeem(second)
    (tmp_path / "invitations.json").write_text("{nonsense")
    assert not invitations.redeem(second)


@pytest.mark.parametrize(
    "text", ["", "gpn1-", "gpn1-AAAA", "gpn2-" + "A" * 90, "gpn1-%%%", "gpn1-" + "_" * 200]
)
def test_what_is_no_code_is_refused(text: str) -> None:
    with pytest.raises(JoinRefused):
        JoinCode.parse(text)


def test_a_code_says_the_same_after_a_journey() -> None:
    code = JoinCode("node.example.org", 4420, bytes(range(32)), bytes(range(16)))
    assert JoinCode.parse(str(code)) == code


@pytest.mark.parametrize(
    "garbage", [b"", b"\n", b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"[1]\n", b"x" * 100_000]
)
async def test_garbage_at_the_enrolment_harms_nobody(tmp_path: Path, garbage: bytes) -> None:
    async with site(tmp_path) as here:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for secure in (context, None):
            _, writer = await asyncio.open_connection("127.0.0.1", here.port + 1, ssl=secure)
            writer.write(garbage)
            writer.write_eof() if secure is None else None
            writer.close()
        await join(here.code(), Papers.in_folder(tmp_path / "mine"), "mine", here.runtime._options.version)


async def test_a_node_without_certificates_says_what_to_run(tmp_path: Path) -> None:
    here = Site(tmp_path, 4420, 1, 0.0, BuiltinRuntime())
    with pytest.raises(ClusterNotSetUp, match="cluster"):
        await here.start()


def test_a_single_machine_imports_nothing_of_it() -> None:
    script = (
        "import sys; from gpn_desktop.composition import parts, serve, images, demo; "
        "print([m for m in ('dask', 'distributed', 'tornado') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
