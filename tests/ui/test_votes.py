"""Votes: who agreed, what this node missed, and the evidence of each."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from gpn_desktop.core.errors import UnknownRequest
from gpn_desktop.core.types import Hash32, hex0x
from gpn_desktop.services.ballots import Ballot
from gpn_desktop.services.views import Phase
from gpn_desktop.ui.pages.jobs import JobsPage
from gpn_desktop.ui.pages.votes import VotesPage
from tests.ui.conftest import Attach, until
from tests.ui.fake import FakeFacade, demo_view, hash32


class Box:
    """The journal's ballots for the votes of the view."""

    def __init__(self, genuine: bool = True) -> None:
        self.genuine = genuine
        self.empty = False

    async def of(self, request_id: Hash32) -> list[Ballot]:
        if self.empty:
            raise UnknownRequest("The journal has no votes.")
        job = next(job for job in demo_view().jobs if job.request_id == request_id)
        return [
            Ballot(
                vote.voter, vote.prover, vote.proof_hash, vote.attempt, vote.valid, hash32(("digest", n)),
                bytes([n]) * 65, hash32(("had", n)), hash32("seed"), 0, self.genuine,
            )
            for n, vote in enumerate(job.votes)
        ]  # fmt: skip


def opened(attach: Attach, facade: FakeFacade) -> VotesPage:
    window = attach(facade)
    window.go("votes")
    page = window.pages["votes"]
    assert isinstance(page, VotesPage)
    return page


async def test_the_evidence_of_a_vote_can_be_read_and_copied(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    facade.ballots = Box()
    page = opened(attach, facade)
    page.table.selectRow(3)
    assert page.evidence.isEnabled()
    QTest.mouseClick(page.evidence, Qt.MouseButton.LeftButton)
    await until(page.sheet.isVisible)
    line = page.model.rows[3]
    shown = {fact.text: fact for fact in page.sheet.facts.facts}
    assert shown["Voter"].copy == hex0x(line.voter)
    assert shown["Hash of the proof"].copy == hex0x(line.proof_hash)
    assert len(shown["Signature"].copy) == 2 + 130
    assert page.sheet.state.text() == "Signed by its voter"
    assert not page.sheet.confirm.isVisible()
    QTest.keyClick(page.sheet, Qt.Key.Key_Escape)
    assert page.sheet.isHidden()


async def test_a_forged_signature_is_said_to_be_one(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    facade.ballots = Box(genuine=False)
    page = opened(attach, facade)
    page.table.selectRow(0)
    page.evidence.click()
    await until(page.sheet.isVisible)
    assert "not the voter" in page.sheet.state.text()


async def test_what_the_journal_has_not_kept(attach: Attach) -> None:
    facade = FakeFacade(demo_view())
    box = Box()
    box.empty = True
    facade.ballots = box
    page = opened(attach, facade)
    page.table.selectRow(0)
    page.evidence.click()
    await until(page.sheet.isVisible)
    assert page.sheet.state.text() == "No evidence"
    assert page.sheet.facts.isHidden()


async def test_a_vote_that_this_node_missed_is_told(attach: Attach) -> None:
    view = demo_view()
    at = next(n for n, job in enumerate(view.jobs) if job.phase is Phase.PAID and not job.turns[0].mine)
    job = view.jobs[at]
    without = replace(
        job, votes=tuple(vote for vote in job.votes if not vote.mine), unvoted="It died. [GPN-1506]"
    )
    view = replace(view, jobs=(*view.jobs[:at], without, *view.jobs[at + 1 :]))
    page = opened(attach, FakeFacade(view))
    (missed,) = [line for line in page.model.rows if line.missed]
    assert (missed.request_id, missed.mine) == (job.request_id, True)
    assert "1 vote of this node missed" in page.subtitle.text()
    page.table.selectRow(page.model.find(missed.key))
    page.evidence.click()
    assert page.sheet.isVisible()
    assert page.sheet.state.text() == "This node did not vote"
    assert page.sheet.words.text() == "It died. [GPN-1506]"


async def test_a_job_leads_to_the_evidence_of_its_votes(attach: Attach) -> None:
    view = demo_view()
    window = attach(FakeFacade(view))
    window.go("votes")
    votes = window.pages["votes"]
    assert isinstance(votes, VotesPage)
    votes.only_mine.setChecked(True)
    wanted = next(job for job in reversed(view.jobs) if job.votes)
    window.go_to(f"jobs:{wanted.request_id.hex()}")
    jobs = window.pages["jobs"]
    assert isinstance(jobs, JobsPage)
    QTest.mouseClick(jobs.detail.evidence, Qt.MouseButton.LeftButton)
    assert window.current == "votes"
    chosen = votes._line()
    assert chosen is not None
    assert chosen.request_id == wanted.request_id
    window.go_to(f"votes:{'00' * 32}")
    assert votes.sheet.state.text() == "No votes"


async def test_a_job_tells_why_this_node_has_no_opinion(attach: Attach) -> None:
    view = demo_view()
    job = next(job for job in view.jobs if job.votes and not job.turns[0].mine)
    others = replace(job, votes=tuple(vote for vote in job.votes if not vote.mine), unvoted="It died.")
    window = attach(FakeFacade(replace(view, jobs=(others,))))
    window.go_to(f"jobs:{job.request_id.hex()}")
    detail = window.pages["jobs"].detail  # type: ignore[attr-defined]
    first = detail.votes.facts[0]
    assert (first.text, first.value, first.tip) == ("You", "No opinion", "It died.")
