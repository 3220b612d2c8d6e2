"""Settings: what one container may get at most, and which work is taken at all."""

from __future__ import annotations

from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.pages.settings_draft import Draft
from gpn_desktop.ui.pages.settings_general import Section
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.basic import label


class LimitsSection(Section):
    def __init__(self, context: PageContext, draft: Draft) -> None:
        super().__init__(
            context, draft,
            tr("Images may ask for less than this, and never get more. Changes take effect when the node is "
               "restarted."),
        )  # fmt: skip
        strong = context.theme.fonts.strong
        self.column.addWidget(label(tr("One container"), strong))
        self.add_field("limits.memory_gib", tr("Memory, in GiB"))
        self.add_field("limits.cpus", tr("Processors"))
        self.add_field("limits.tmp_mib", tr("Temporary files, in MiB"))
        self.add_field("limits.pids", tr("Processes"))
        self.add_field("limits.gpus", tr("GPUs"))
        self.column.addWidget(label(tr("This node"), strong))
        self.add_field("limits.capacity", tr("Proofs at a time"))
        self.add_field("limits.prove_seconds", tr("Longest time of a proof, in seconds"))
        self.add_field("limits.min_reward", tr("Lowest reward, in gwei"))
        self.add_field("limits.max_image_gib", tr("Largest image, in GiB"))
        self.column.addStretch(1)
