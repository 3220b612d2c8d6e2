"""``python -m tests.attacks`` attacks what its input says, a line of JSON at a time: name, target.

A process of its own, so that what an attack costs the attacker is not measured as the victim's. It answers
"at work" once it has got to its victim, and goes on until the next line, at most ``MOST`` seconds; then it
says "done", and how many connections the attack had.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Final

import trio

from tests.attacks.catalogue import ATTACKS
from tests.attacks.peer import Target, came_in, come_from

MOST: Final = 60.0  # seconds of one attack

log = logging.getLogger("attack")


async def attack(name: str, target: Target) -> None:
    """Until it is cancelled; being thrown out ends an attempt and not the attack."""
    while True:
        try:
            await ATTACKS[name].run(target)
        except Exception as error:  # noqa: BLE001 - the library raises anything
            log.info("%s: %r", name, error)
        await trio.sleep(0.05)


async def next_line() -> str:
    return await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)


async def main() -> None:
    while line := await next_line():
        order = json.loads(line)
        target = Target(**order["target"])
        come_from(target.source)
        before = came_in.total()
        with trio.move_on_after(MOST) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(attack, order["name"], target)
                while came_in.total() == before:  # noqa: ASYNC110 - there is no event for it
                    await trio.sleep(0.01)
                print("at work", flush=True)
                await next_line()
                nursery.cancel_scope.cancel()
        print(f"done {came_in.total() - before}", flush=True)
        if scope.cancelled_caught:
            return  # nobody is there any more who could end it


logging.basicConfig(level=logging.INFO, stream=sys.stderr)
logging.getLogger("libp2p").setLevel(logging.CRITICAL)
trio.run(main)
