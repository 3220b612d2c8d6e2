"""The demo with its window, as a newcomer sees it: real nodes, a real chain, the real pages."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from gpn_desktop.adapters.chain.localnet import find_anvil
from gpn_desktop.composition.demo import NODE_MODULES
from gpn_desktop.composition.demo_args import DemoArgs
from gpn_desktop.composition.openings import demo_opening
from gpn_desktop.core.errors import ChainUnreachable
from gpn_desktop.services.views import NodeView, Phase
from gpn_desktop.ui.app import Desktop
from gpn_desktop.ui.pages.consumers import ConsumersPage
from gpn_desktop.ui.pages.demo import DemoPage
from gpn_desktop.ui.pages.earnings import EarningsPage
from gpn_desktop.ui.pages.home import HomePage
from gpn_desktop.ui.pages.jobs import JobsPage
from gpn_desktop.ui.pages.network import NetworkPage
from gpn_desktop.ui.pages.votes import VotesPage
from gpn_desktop.ui.shell import Shell
from gpn_desktop.ui.story import Story
from gpn_desktop.ui.theme import Theme

pytestmark = pytest.mark.timeout(240)
ARGS = DemoArgs(nodes=3, requests=1, builtin=True)
WITHIN = 150.0
CLOSED_WITHIN = 15.0


@pytest.fixture
def anvil() -> None:
    try:
        find_anvil(NODE_MODULES)
    except ChainUnreachable as error:
        if os.environ.get("GPN_REQUIRE_ENGINES") == "1":
            pytest.fail(f"anvil is required (GPN_REQUIRE_ENGINES=1): {error}")
        pytest.skip(str(error))


def children() -> set[str]:
    """This process's child processes; none are known where there is no /proc."""
    files = Path("/proc/self/task").glob("*/children")
    return {pid for file in files for pid in file.read_text().split()}


async def eventually(holds: Callable[[], bool], run: asyncio.Future[int]) -> None:
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert not run.done(), "the window closed by itself"
        assert time.monotonic() < deadline, "it never came to hold"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def opened(
    qapp: QApplication, args: DemoArgs = ARGS
) -> AsyncIterator[tuple[Desktop, Story, asyncio.Future[int]]]:
    """The window on a demo; at the end it is closed, in time and leaving no process behind."""
    before = children()
    opening = demo_opening(args)
    assert opening.story is not None
    desktop = Desktop(Shell(Theme(qapp)), opening)
    run = asyncio.ensure_future(desktop.run())
    try:
        yield desktop, opening.story, run
    finally:
        closed = time.monotonic()
        desktop.window.close()
        code = await run
    assert code == 0
    assert time.monotonic() - closed < CLOSED_WITHIN
    assert not desktop.window.isVisible()
    assert children() <= before


def view(desktop: Desktop) -> NodeView:
    shown = desktop.window.shown
    assert shown is not None
    return shown


def earned(shown: NodeView) -> tuple[int, int, bool]:
    """What waits, what could be withdrawn, and whether something was."""
    money = shown.earnings
    return money.in_window, money.claimable, money.withdrawn > 0


async def test_a_demo_runs_to_paid_before_ones_eyes(qapp: QApplication, anvil: None) -> None:
    async with opened(qapp) as (desktop, story, run):
        window = desktop.window
        await eventually(lambda: bool(window.pages), run)
        assert next(line.text for line in story.lines if line.detail).startswith("node-1")
        await eventually(lambda: "paid;" in story.lines[-1].text, run)
        await eventually(lambda: all(job.phase is Phase.PAID for job in view(desktop).jobs), run)
        assert len(view(desktop).jobs) == 2  # the warm-up is one
        assert "1 of 1 requests" in window.strip.story.toolTip()
        home = window.pages["home"]
        assert isinstance(home, HomePage)
        assert home.title.text() == "Proving and verifying for 1 consumer"
        assert [fact.text for fact in home.checks.facts if fact.tone == "warn"] == ["Test prover"]
        window.go("jobs")
        jobs = window.pages["jobs"]
        assert isinstance(jobs, JobsPage)
        assert [line.phase for line in jobs.model.rows] == ["paid", "paid"]
        jobs.table.selectRow(0)
        assert jobs.detail.turns.facts[0].value == "Verified"
        window.go("votes")
        votes = window.pages["votes"]
        assert isinstance(votes, VotesPage)
        assert len(votes.model.rows) >= 4
        assert all(line.valid and line.outcome for line in votes.model.rows)
        window.go("earnings")
        earnings = window.pages["earnings"]
        assert isinstance(earnings, EarningsPage)
        await eventually(lambda: earned(view(desktop)) == (0, 0, True), run)
        await eventually(lambda: earnings.withdrawn.figure.text() != "0.0000", run)
        window.go("network")
        network = window.pages["network"]
        assert isinstance(network, NetworkPage)
        assert network.peers.figure.text() == "2"
        assert len(network.card.model.rows) == 2
        window.go("consumers")
        consumers = window.pages["consumers"]
        assert isinstance(consumers, ConsumersPage)
        (line,) = consumers.model.rows
        assert (line.view.committed, line.view.served, line.view.image_state) == (True, True, "serving")
        assert (line.view.turn_seconds, line.view.expires_at > 0) == (30, True)
        assert all(banner.tone != "bad" for banner in window.banners.shown)


async def test_the_tour_shows_a_proof_and_a_cheat_on_the_real_network(
    qapp: QApplication, anvil: None
) -> None:
    async with opened(qapp, DemoArgs(nodes=5, requests=1, builtin=True)) as (desktop, story, run):
        window = desktop.window
        await eventually(lambda: bool(window.pages), run)
        window.go("demo")
        page = window.pages["demo"]
        assert isinstance(page, DemoPage)
        tour = page.tour
        assert not tour.send.isEnabled()
        await eventually(tour.send.isEnabled, run)
        tour.send.click()
        assert not tour.send.isEnabled()
        await eventually(lambda: tour.job is not None and tour.job.phase is Phase.SETTLED, run)
        await eventually(lambda: tour.skip.isVisible() and tour.skip.isEnabled(), run)
        tour.skip.click()
        await eventually(lambda: tour.job is not None and tour.job.phase is Phase.PAID, run)
        await eventually(lambda: tour.cheat.isVisible() and tour.cheat.isEnabled(), run)
        assert [fact for fact in tour.steps.facts if fact.tone != "good"] == []

        first = tour.job
        tour.cheat.click()
        await eventually(lambda: tour.job not in (None, first) and tour.send.isEnabled(), run)
        cheat = tour.job
        assert cheat is not None
        assert cheat.turns[0].state == "voted down"
        assert cheat.attempt > 0
        down = next(fact for fact in tour.steps.facts if fact.tone == "bad")
        assert down.text.startswith("node-2 announced a false proof")
        assert not tour.cheat.isVisible()
        await eventually(lambda: any("lost its seat" in line.text for line in story.lines), run)
        tour.open.click()
        jobs = window.pages["jobs"]
        assert isinstance(jobs, JobsPage)
        assert jobs.table.current_key() == cheat.request_id
        assert all(banner.tone != "bad" or "voted down" in banner.text for banner in window.banners.shown)


async def test_it_can_be_closed_while_it_is_set_up(qapp: QApplication, anvil: None) -> None:
    async with opened(qapp) as (desktop, _, run):
        steps = desktop.window.start_page.steps
        await eventually(lambda: any("node-1" in fact.text for fact in steps.facts), run)


async def test_it_can_be_closed_in_mid_proof(qapp: QApplication, anvil: None) -> None:
    async with opened(qapp) as (desktop, _, run):
        await eventually(lambda: bool(desktop.window.pages), run)
        await eventually(lambda: any(job.phase is Phase.PROVING for job in view(desktop).jobs), run)


async def test_without_a_chain_program_it_says_so_and_can_be_tried_again(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPN_ANVIL", "no-such-program")
    before = children()
    opening = demo_opening(ARGS)
    assert opening.story is not None
    chains: list[object] = []
    opening.story.told.connect(lambda line: "local chain" in line.text and chains.append(line))
    desktop = Desktop(Shell(Theme(qapp)), opening)
    run = asyncio.ensure_future(desktop.run())
    start = desktop.window.start_page
    await eventually(start.retry.isVisible, run)
    assert "GPN-13" in start.state.text()
    assert "make setup" in start.words.text()
    start.retry.click()
    await eventually(lambda: len(chains) == 2 and start.retry.isVisible(), run)
    desktop.window.close()
    assert await run == 1
    assert children() <= before
