"""``python -m tests.attacks`` attacks what its input says, a line of JSON at a time: name, seconds, target.

A process of its own, so that what an attack costs the attacker is not measured as the victim's. It answers
"at work" and "done".
"""

from __future__ import annotations

import json
import logging
import sys

import trio

from tests.attacks.catalogue import ATTACKS
from tests.attacks.peer import Target, come_from

log = logging.getLogger("attack")


async def attack(name: str, seconds: float, target: Target) -> None:
    run = ATTACKS[name].run
    come_from(target.source)
    print("at work", flush=True)
    with trio.move_on_after(seconds):
        while True:
            try:
                await run(target)
            except Exception as error:  # noqa: BLE001 - being thrown out ends an attempt, not the attack
                log.info("%s: %r", name, error)
            await trio.sleep(0.05)
    print("done", flush=True)


async def main() -> None:
    while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
        order = json.loads(line)
        await attack(order["name"], order["seconds"], Target(**order["target"]))


logging.basicConfig(level=logging.INFO, stream=sys.stderr)
logging.getLogger("libp2p").setLevel(logging.CRITICAL)
trio.run(main)
