"""``gpn-desktop request``: the consumer's side, from payload to proof."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from gpn_desktop.adapters.chain.evm import EvmChain
from gpn_desktop.adapters.chain.quotes import newest_block
from gpn_desktop.adapters.grpc.client import ProvingClient
from gpn_desktop.adapters.sqlite import MemoryStore
from gpn_desktop.composition.parts import chain_options
from gpn_desktop.composition.sites import Site, find_site, key_of, nonce_book
from gpn_desktop.core.errors import ConfigError, RequestEnded, UnknownRequest
from gpn_desktop.core.types import Gwei, hex0x, short
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services.consumer import ConsumerSide, Order
from gpn_desktop.services.views import JobView, Phase


async def run_request(args: argparse.Namespace) -> int:
    """Sign, send, follow, fetch; what happens goes to stderr, the proof to ``--output``.

    The same order again is the same request: what could not be sent is sent, what was sent is followed.
    """
    payload = await asyncio.to_thread(_payload, args.data)
    client = ProvingClient(args.gateway)
    try:
        info = await client.info()
        key = await key_of(args)
        site = await find_site(args)
        if info.domain != site.domain:
            raise ConfigError(
                f"The gateway serves contract {hex0x(info.domain.contract)} on chain {info.domain.chain_id}, "
                f"not {hex0x(site.domain.contract)} on chain {site.chain_id}."
            )
        order, side = await _sign(args, site, key, payload)
        for target in args.canary:
            await _offer(target, side, order)
        return await _follow(client, order, args.output, bool(args.canary))
    finally:
        await client.aclose()


async def _sign(
    args: argparse.Namespace, site: Site, key: NodeKey, payload: bytes
) -> tuple[Order, ConsumerSide]:
    store = MemoryStore()
    await store.open()
    chain = EvmChain(
        site.config.ethereum_api, site.domain.contract, site.chain_id, None, store, chain_options(site.config)
    )
    await chain.start(await newest_block(site.config.ethereum_api))
    try:
        side = ConsumerSide(chain, key, args.confirmations, nonce_book(site))
        order = await side.order_once(args.ref, payload, Gwei(args.reward), args.timeout, args.quorum)
        return order, side
    finally:
        await chain.aclose()


async def _offer(target: str, side: ConsumerSide, order: Order) -> None:
    """Ask the prover behind a gRPC address for a false proof of this request."""
    tester = ProvingClient(target)
    try:
        prover = (await tester.info()).address
        await tester.offer_canary(side.canary(order, prover))
        _say(f"{short(prover)} will announce a false proof if its turn comes; ignore this request's result")
    finally:
        await tester.aclose()


def _tell_blind(view: JobView) -> None:
    """Who signed for a proof that is not the accepted one."""
    blind = sorted({hex0x(v.voter) for v in view.votes if v.valid and v.proof_hash != view.proof_hash})
    honest = sorted({hex0x(v.voter) for v in view.votes if not v.valid})
    if not honest and not blind:
        _say("the canary's turn did not come: nothing was learnt")
    for voter in blind:
        _say(f"signed a false proof: {voter}")
    for voter in honest:
        _say(f"voted it down: {voter}")


async def _follow(client: ProvingClient, order: Order, output: Path | None, canary: bool) -> int:
    await client.submit(order.signed.message, order.signed.signature, order.payload)
    _say(f"request {hex0x(order.id)} sent")
    last: JobView | None = None
    async for view in client.watch(order.id):
        if last is None or view.phase is not last.phase or view.attempt != last.attempt:
            prover = f", prover {short(view.prover)}, attempt {view.attempt + 1}" if view.prover else ""
            _say(f"{view.phase.value}{prover}")
        last = view
        if view.phase in (Phase.VERIFIED, Phase.SETTLED, Phase.PAID):
            break
    if last is None:
        raise UnknownRequest("The gateway does not know the request any more.")
    if last.phase in (Phase.EXPIRED, Phase.CANCELLED, Phase.REFUSED):
        raise RequestEnded(f"The request is {last.phase.value}. {last.error}")
    if canary:
        _tell_blind(last)
    proof = await client.proof(hex0x(order.id))
    _say(f"proof of {len(proof.proof)} bytes with {len(proof.votes)} votes")
    if output is None:
        print(hex0x(proof.proof))
    else:
        await asyncio.to_thread(output.write_bytes, proof.proof)
    return 0


def _payload(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The payload can't be read: {error}.") from error


def _say(text: str) -> None:
    with suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)
