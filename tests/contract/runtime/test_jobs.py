"""What a hostile image does to a node's jobs: a coded reason, the next prover at work, the log kept."""

from __future__ import annotations

import pytest

from gpn_desktop.adapters.docker import DockerRuntime
from gpn_desktop.core import errors
from gpn_desktop.core.errors import GpnError
from gpn_desktop.ports.runtime import ImageRef, JobLog, Progress
from gpn_desktop.services.views import Phase
from tests.contract.runtime import images
from tests.services.world import until, world


class Pinned(DockerRuntime):
    """Runs one image, whatever the consumer registered."""

    image: ImageRef

    async def ensure(self, image: ImageRef, progress: Progress | None = None, *, prove: bool = True) -> None:
        await super().ensure(self.image, progress, prove=prove)

    async def prove(
        self, image: ImageRef, ref: str, data: bytes, within: float, log: JobLog | None = None
    ) -> bytes:
        return await super().prove(self.image, ref, data, within, log)


@pytest.mark.parametrize(
    ("misbehaviour", "error"),
    [
        ("chatter", errors.ProverFault),
        ("exit", errors.ProverLost),
        ("large", errors.ProverOutputTooLarge),
        ("hang", errors.ProverTimeout),
    ],
)
async def test_its_job_says_why_and_the_next_prover_takes_over(
    node_id: str, misbehaviour: str, error: type[GpnError]
) -> None:
    images.need_docker()
    runtime = Pinned(node_id)
    runtime.image = images.hostile()
    await runtime.start()
    try:
        await runtime.ensure(runtime.image)
        async with world(4) as net:
            order = await net.order(ref=misbehaviour, turn_seconds=4)
            first, second, *_ = await net.ranked(order)
            honest, first.node.ctx.runtime = first.node.ctx.runtime, runtime
            await net.send(order)
            await until(lambda: second.phase(order) is Phase.SETTLED, "the second's settlement", 30.0)
            await until(lambda: bool(first.view(order).error), "the reason", 30.0)

            assert f"[{error.code}]" in first.view(order).error
            declined = [fields for name, fields in first.events if name == "declined"]
            assert [fields["reason"] for fields in declined] in ([error.code], [])
            assert second.view(order).prover == second.address
            if misbehaviour == "chatter":
                logs = await first.node.logs(order.id)
                assert logs["prove"].endswith("the end")
            first.node.ctx.runtime = honest
    finally:
        await runtime.aclose()
