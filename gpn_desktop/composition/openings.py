"""What the window can be opened on. Light by itself: everything slow is imported once the window is up."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from gpn_desktop import config as settings
from gpn_desktop.composition import logs
from gpn_desktop.composition.demo_args import DemoArgs
from gpn_desktop.config import Mode, NodeConfig
from gpn_desktop.core.errors import NotSetUp
from gpn_desktop.services.desk import Desk
from gpn_desktop.ui.opening import Opening
from gpn_desktop.ui.story import Story

if TYPE_CHECKING:
    from gpn_desktop.composition.demo_window import WindowDemo
    from gpn_desktop.ports.secrets import NodeKey
    from gpn_desktop.services.facade import Facade

NO_VALUE = "Demo network on this machine: nothing here has a value."
ABOUT_NODE = "Key, journal, network and provers are opened in turn."
ABOUT_DEMO = "A chain, a consumer and its provers, all on this machine and with money that is not real."
PITCH_NODE = "A node of your own, on a network where proofs are paid."
OFFER = (
    "The demo network shows everything without any set-up: a chain, a consumer and five provers on this "
    "machine, with money that is not real. The command “gpn-desktop demo” starts it too."
)


async def _load(module: str) -> None:
    """Import it away from the window's thread: a second and more for chain and network."""
    await asyncio.to_thread(import_module, f"gpn_desktop.composition.{module}")


def demo_opening(args: DemoArgs) -> Opening:
    """A demo network around a node in the window."""
    story = Story()
    demos: list[WindowDemo] = []

    def say(text: str) -> None:
        print(text, flush=True)
        story.tell(text, _tone(text))

    def failed(text: str) -> None:
        print(text, flush=True)
        story.tell(text, "bad")

    async def facade() -> Facade:
        story.clear()
        story.tell("Loading the node's parts")
        await _load("demo_window")
        from gpn_desktop.composition.demo_window import WindowDemo

        demos[:] = [WindowDemo(args, say, failed, story.open_tour)]
        return await demos[0].facade()

    async def background(facade: Facade) -> None:
        await demos[0].background(facade)

    return Opening(
        facade,
        title="GPN Desktop, demo network",
        banner=NO_VALUE,
        background=background,
        starting="Setting up a demo network",
        about=ABOUT_DEMO,
        story=story,
        offer="Try the demo network",
        pitch=OFFER,
    )


def _tone(text: str) -> str:
    """What people should not overlook in the demo's lines."""
    if "voted down" in text or "is false" in text:
        return "bad"
    if "killed" in text or "TEST prover" in text:
        return "warn"
    if "proved by" in text or "paid;" in text or "is back" in text:
        return "good"
    return "text"


def node_opening(file: Path | None, desk: Desk) -> Opening:
    """This machine's own node, from its settings and the key in the wallet on the ``desk``."""

    async def facade() -> Facade:
        config = settings.load(file=file)
        logs.configure(config.log_level.value, config.log_format)
        _check_set_up(config)
        await _load("parts")
        await _load("figures")
        from gpn_desktop.composition.figures import start_metrics
        from gpn_desktop.composition.parts import Extras, build_node, build_server

        node = await build_node(config, await _key(config, desk), Extras())
        server = build_server(config, node)
        node.closing.append(server.aclose)
        try:
            await node.start()
            await server.start()
            await start_metrics(config, node)
        except BaseException:
            await node.aclose()
            raise
        return node

    return Opening(facade, about=ABOUT_NODE, offer="Join a network", pitch=PITCH_NODE)


async def _key(config: NodeConfig, desk: Desk) -> NodeKey:
    """From the file that the settings name, else from the wallet.

    Raises:
        KeyMissing, KeyLocked, KeyringUnavailable: the start page leads to the wallet.
    """
    if config.key_path is not None or config.mode is Mode.TESTING or desk.wallet is None:
        from gpn_desktop.composition.keys import node_key

        return await node_key(config, from_stdin=False)
    await desk.wallet.look()  # which also tells the pages where the key is
    return await desk.wallet.load()


def _check_set_up(config: NodeConfig) -> None:
    """NotSetUp where no network was chosen; a contract that was deployed from here is found by its chain."""
    if config.mode is Mode.TESTING or config.ethereum_api:
        return
    raise NotSetUp(
        "A node joins a network of provers on a chain, and has not been told which.",
        remedy=f"Choose one in the window, or write chain.api into {settings.default_file()}.",
    )
