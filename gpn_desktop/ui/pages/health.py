"""Logs & health: what holds this machine back and what to do; what the program said; a bundle for helpers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QProgressBar, QSplitter

from gpn_desktop.core.health import Level
from gpn_desktop.ui import text
from gpn_desktop.ui.pages.base import Page, PageContext
from gpn_desktop.ui.pages.health_bundle import BundleSheet
from gpn_desktop.ui.pages.health_findings import FindingList
from gpn_desktop.ui.pages.health_log import LogCard, export_name
from gpn_desktop.ui.text import plural, tr
from gpn_desktop.ui.widgets.basic import Card, button, set_property
from gpn_desktop.ui.widgets.empty import EmptyState
from gpn_desktop.ui.widgets.save import SaveSheet

if TYPE_CHECKING:
    from gpn_desktop.services.diagnostics import Bundle, Diagnostics
    from gpn_desktop.services.health import Health

Progress = Callable[[int], None]


class HealthPage(Page):
    """Works without a node; takes the running one into account where there is one."""

    def __init__(self, context: PageContext) -> None:
        super().__init__(context, tr("Logs & health"))
        theme, desk = context.theme, context.desk
        self._health: Health | None = desk.health
        self._diagnostics: Diagnostics | None = desk.diagnostics
        self._undo: Callable[[], None] | None = None
        for service in (self._health, self._diagnostics):
            if service is not None:
                service.attach(context.node)
        self._add_buttons()
        self.save = SaveSheet(theme, context.tasks)
        self.save.opened.connect(lambda _: self._one_filled())
        self.column.addWidget(self.save)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(tr("Checks done"))
        self.progress.hide()
        self.column.addWidget(self.progress)
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.setHandleWidth(16)
        self.split.setChildrenCollapsible(False)
        self._add_findings()
        self._add_log()
        self.split.setSizes([theme.fonts.px(300), theme.fonts.px(320)])
        self.column.addWidget(self.split, 1)
        self._add_bundle()

    def _add_buttons(self) -> None:
        theme = self.context.theme
        self.collect = button(
            tr("Diagnostics bundle…"),
            theme,
            tip=tr("A file to send along when you ask for help; you see it first"),
        )
        self.collect.setEnabled(self._diagnostics is not None)
        self.collect.clicked.connect(self._open_bundle)
        self.all = button(tr("Check all again"), theme, "primary")
        self.all.setEnabled(self._health is not None)
        self.all.clicked.connect(lambda: self._recheck(None))
        self.buttons.addWidget(self.collect)
        self.buttons.addWidget(self.all)

    def _add_findings(self) -> None:
        self.findings: FindingList | None = None
        card = Card(self.context.theme, padding=0)
        if self._health is None:
            empty = EmptyState(self.context.theme)
            empty.say(tr("Nothing can be checked"), tr("The settings could not be read; see the start page."))
            card.body.addWidget(empty)
        else:
            checks = [(check.key, check.title) for check in self._health.checks]
            self.findings = FindingList(self.context.theme, checks, self._recheck)
            card.body.addWidget(self.findings)
        self.split.addWidget(card)

    def _add_log(self) -> None:
        self.log: LogCard | None = None
        if self.context.desk.logs is not None:
            self.log = LogCard(self.context.theme, self.context.desk.logs)
            self.log.export_asked.connect(self._export)
            self.split.addWidget(self.log)

    def _add_bundle(self) -> None:
        self.bundle: BundleSheet | None = None
        if self._diagnostics is not None:
            self.bundle = BundleSheet(self.context.theme, self.context.tasks, self._diagnostics)
            self.bundle.opened.connect(self._bundle_opened)
            self.bundle.save_asked.connect(self._save_bundle)
            self.column.addWidget(self.bundle, 1)

    # the checks -----------------------------------------------------------------------------------------

    def opened(self) -> None:
        if self._health is not None and not self._health.findings and not self._health.running:
            self._recheck(None)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        if self._health is not None and self._undo is None:
            self._undo = self._health.subscribe(self._show_findings)
        self._show_findings()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        super().hideEvent(event)
        if self._undo is not None:
            self._undo()
            self._undo = None

    def _recheck(self, key: str | None) -> None:
        if self._health is not None:
            self.context.tasks.start(self._check(self._health, key))

    async def _check(self, health: Health, key: str | None) -> None:
        await health.recheck(key)

    def _show_findings(self) -> None:
        if self._health is None or self.findings is None:
            return
        health = self._health
        running = health.running
        self.findings.show_findings(health.findings, running)
        self.all.setEnabled(not running)
        self.progress.setVisible(bool(running))
        self.progress.setRange(0, len(health.checks))
        self.progress.setValue(len(health.checks) - len(running))
        self.subtitle.setText(self._summary(health))

    def _summary(self, health: Health) -> str:
        if health.running:
            left = plural(len(health.running), tr("check"), tr("checks"))
            return tr("Checking: {left} to go.").format(left=left)
        levels = [finding.level for finding in health.findings.values()]
        bad, warn = levels.count(Level.BAD), levels.count(Level.WARN)
        if not levels:
            return tr("Nothing was checked yet.")
        if bad:
            said = plural(bad, tr("thing holds"), tr("things hold"))
            return tr("{said} this machine back from earning.").format(said=said)
        if warn:
            said = plural(warn, tr("thing is"), tr("things are"))
            return tr("{said} worth a look; nothing holds this machine back.").format(said=said)
        return tr("Nothing holds this machine back from earning.")

    # files ----------------------------------------------------------------------------------------------

    def open_search(self) -> bool:
        if self.log is None or not self.log.isVisible():
            return False
        self.log.search.setFocus()
        self.log.search.selectAll()
        return True

    def _export(self) -> None:
        if self.log is None or self._diagnostics is None:
            return
        lines, diagnostics = self.log.model.matching(), self._diagnostics

        async def write(path: Path, progress: Progress) -> str:
            size = await diagnostics.export(lines, path)
            shown = plural(len(lines), tr("line"), tr("lines"))
            return tr("{shown}, {size}, written to {path}").format(
                shown=shown, size=text.size(size), path=path
            )

        self.save.ask(tr("Export the lines that are shown"), export_name(), write)

    def _open_bundle(self) -> None:
        if self.bundle is not None:
            self.bundle.open_preview()

    def _bundle_opened(self, there: bool) -> None:
        self.split.setVisible(not there)
        self.collect.setEnabled(not there)
        self._one_filled()

    def _save_bundle(self, bundle: Bundle) -> None:
        diagnostics = self._diagnostics
        assert diagnostics is not None

        async def write(path: Path, progress: Progress) -> str:
            size = await diagnostics.write(bundle, path)
            return tr("{size} written to {path}").format(size=text.size(size), path=path)

        self.save.ask(tr("Save the bundle as it is shown"), bundle.name, write)

    def _one_filled(self) -> None:
        """One filled button at a time: the save sheet’s, else the preview’s, else the page’s."""
        saving = not self.save.isHidden()
        previewing = self.bundle is not None and not self.bundle.isHidden()
        set_property(self.all, "kind", "" if saving or previewing else "primary")
        if self.bundle is not None:
            set_property(self.bundle.save, "kind", "" if saving else "primary")
