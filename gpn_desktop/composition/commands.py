"""What each command does, from its arguments to its exit code."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from gpn_desktop import config as settings
from gpn_desktop.composition import logs

if TYPE_CHECKING:
    from gpn_desktop.ui.shell import Shell


def node(args: argparse.Namespace) -> int:
    from gpn_desktop.composition.keys import node_key
    from gpn_desktop.composition.parts import Extras
    from gpn_desktop.composition.serve import print_event, run_node
    from gpn_desktop.services.context import ignore

    config = settings.load(settings.arguments(args), file=args.config)
    logs.configure(config.log_level.value, config.log_format)
    extras = Extras(print_event if args.events else ignore, args.prove_seconds, args.cheat)

    async def run() -> None:
        key = await node_key(config, from_stdin=args.key_stdin)
        await run_node(config, key, extras, lifeline=args.key_stdin)

    asyncio.run(run())
    return 0


def demo(args: argparse.Namespace, shell: Shell | None) -> int:
    from gpn_desktop.composition.demo_args import DemoArgs

    logs.configure("warning")
    wanted = DemoArgs(
        args.nodes, args.requests, args.cheat, args.crash, args.builtin, args.keep, args.batch, args.absent,
        args.consumers,
    )  # fmt: skip
    wanted.check()
    if not args.headless:
        from gpn_desktop.ui.shell import has_display

        if has_display():
            from gpn_desktop.composition.desk import window_start
            from gpn_desktop.composition.openings import demo_opening, node_opening
            from gpn_desktop.ui.app import run_gui

            start = window_start(args.config, single=False, report=args.startup_report)
            return run_gui(demo_opening(wanted), node_opening(args.config, start.desk), start, shell)
        print("There is no display here, so the demo runs without a window.", flush=True)
    from gpn_desktop.composition.demo import print_report, run_headless

    return print_report(asyncio.run(run_headless(wanted)), args.json)


def request(args: argparse.Namespace) -> int:
    from gpn_desktop.composition.consumer import run_request

    logs.configure("warning")
    return asyncio.run(run_request(args))


def contracts(args: argparse.Namespace) -> int:
    from gpn_desktop.composition.contracts import run_contracts

    logs.configure("warning")
    return asyncio.run(run_contracts(args))


def consumer(args: argparse.Namespace) -> int:
    from gpn_desktop.composition.consumers import run_consumer

    logs.configure("warning")
    return asyncio.run(run_consumer(args))


def image(args: argparse.Namespace) -> int:
    from gpn_desktop.composition.images import run_image

    logs.configure("warning")
    return asyncio.run(run_image(args))


def cluster(args: argparse.Namespace) -> int:
    from gpn_desktop.composition.cluster import run_cluster

    logs.configure("warning")
    return run_cluster(args)


def journal(args: argparse.Namespace) -> int:
    from gpn_desktop.composition.journal import run_journal

    logs.configure("warning")
    return asyncio.run(run_journal(args))


def worker(args: argparse.Namespace) -> int:
    from gpn_desktop.composition.cluster import run_worker

    return asyncio.run(run_worker(args))


def doctor(args: argparse.Namespace) -> int:
    from gpn_desktop.composition.doctor import run_doctor

    logs.configure("error")
    return run_doctor(args)


def simulate(args: argparse.Namespace) -> int:
    from gpn_desktop.composition.simulate import run_simulate

    return run_simulate(args)


def key(args: argparse.Namespace) -> int:
    from gpn_desktop.composition.keys import run_key

    logs.configure("warning")
    return asyncio.run(run_key(args.action))


def window(args: argparse.Namespace, shell: Shell | None) -> int:
    from gpn_desktop.ui.shell import has_display

    if not has_display():
        print("gpn-desktop: there is no display. Use `gpn-desktop node`.", file=sys.stderr)
        return 1
    from gpn_desktop.composition.demo_args import DemoArgs
    from gpn_desktop.composition.desk import window_start
    from gpn_desktop.composition.openings import demo_opening, node_opening
    from gpn_desktop.ui.app import run_gui

    start = window_start(args.config, report=args.startup_report)
    return run_gui(node_opening(args.config, start.desk), demo_opening(DemoArgs()), start, shell)
