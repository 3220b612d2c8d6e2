"""One consumer in full: who it is, what its image may use, and what a trial of it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QWidget

from gpn_desktop.core.types import hex0x, short
from gpn_desktop.ui import text
from gpn_desktop.ui.models.consumers import ConsumerLine
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.theme import Theme
from gpn_desktop.ui.widgets.basic import Card, label
from gpn_desktop.ui.widgets.facts import Fact, FactList

if TYPE_CHECKING:
    from gpn_desktop.core.trial import Measured, Times
    from gpn_desktop.services.trials import TrialView


class ConsumerDetail(QWidget):
    """Two cards side by side; hidden while no consumer is chosen."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._shown: ConsumerLine | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        about = Card(theme, tr("Consumer"))
        about.body.setSpacing(4)
        self.facts = FactList(theme, height=30)
        about.body.addWidget(self.facts)
        about.body.addStretch(1)
        row.addWidget(about, 1)
        trial = Card(theme, tr("Trial on this machine"))
        trial.body.setSpacing(4)
        self.words = label("", theme.fonts.body, "muted", wrap=True)
        trial.body.addWidget(self.words)
        self.measured = FactList(theme, height=30)
        trial.body.addWidget(self.measured)
        trial.body.addStretch(1)
        row.addWidget(trial, 1)

    def show_line(self, line: ConsumerLine | None) -> None:
        self.setVisible(line is not None)
        if line is None or line == self._shown:
            return
        self._shown = line
        self.facts.show_facts(_facts(line))
        self.words.setText(_words(line))
        self.measured.show_facts(_measured(line.trial))


def _facts(line: ConsumerLine) -> list[Fact]:
    view = line.view
    address, image = hex0x(view.address), f"{view.image_name}@sha256:{view.image_digest.hex()}"
    facts = [
        Fact(tr("Address"), short(view.address), value_mono=True, tip=address, copy=address),
        Fact(tr("Image"), _short_image(line), value_mono=True, tip=image, copy=image),
        Fact(tr("Balance"), f"{text.eth(view.balance)} ETH", tip=text.exact_gwei(view.balance)),
    ]
    if view.expires_at:
        facts.append(Fact(tr("Commitment ends"), text.until(view.expires_at),
                          tip=tr("It is renewed by itself a week before, while the node runs.")))  # fmt: skip
    if view.exiting:
        facts.append(Fact(tr("The consumer is leaving the contract"), icon="warn", tone="warn"))
    return facts


def _short_image(line: ConsumerLine) -> str:
    name = line.image
    return name if len(name) <= 44 else f"…{name[-43:]}"


def _words(line: ConsumerLine) -> str:
    trial = line.trial
    if not line.can_try:
        return tr("The built-in test prover answers for every image, so there is nothing to try.")
    if trial is None:
        return tr(
            "Not tried yet. A trial pulls the image, runs it in its sandbox on its own sample, and says "
            "whether this machine can keep to the consumer’s time, and what a proof would bring."
        )
    if trial.running:
        return trial.step or tr("Getting the image")
    if trial.error:
        return trial.error
    return ""


def _measured(trial: TrialView | None) -> list[Fact]:
    if trial is None or trial.measured is None or trial.running:
        return []
    found = trial.measured
    facts = [
        _fact(tr("Proof, median and worst"), _times(found.prove)),
        _fact(tr("Verification"), _times(found.verify)),
        _fact(tr("Start, memory, proof"), _sizes(found)),
    ]
    findings = trial.verdict.findings if trial.verdict is not None else ()
    return facts + [
        Fact(_cut(words), icon="check" if good else "cross", tone="good" if good else "bad", tip=words)
        for good, words in sorted((one.good, text.say(one.text)) for one in findings)
    ]


def _fact(name: str, value: str) -> Fact:
    return Fact(name, value, value_tone="text")


def _cut(words: str) -> str:
    return words if len(words) <= 76 else f"{words[:75]}…"


def _times(times: Times | None) -> str:
    if times is None:
        return tr("never")
    return f"{text.took(round(times.median * 1000))}, {text.took(round(times.worst * 1000))}"


def _sizes(found: Measured) -> str:
    parts = [text.took(round(found.cold_start * 1000))]
    parts.append(text.size(found.peak_memory) if found.peak_memory is not None else tr("memory unknown"))
    parts.append(text.size(found.proof_bytes))
    return ", ".join(parts)
