"""Settings: what one container may get at most, and which work is taken at all."""

from __future__ import annotations

from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.pages.settings_draft import Draft
from gpn_desktop.ui.pages.settings_general import Section
from gpn_desktop.ui.text import tr


class LimitsSection(Section):
    def __init__(self, context: PageContext, draft: Draft) -> None:
        super().__init__(
            context, draft,
            tr("Images may ask for less than this, and never get more. Changes take effect when the node is "
               "restarted."),
        )  # fmt: skip
        self.add_title(tr("One container"))
        self.add_field("limits.memory_gib", tr("Memory, in GiB"), "")
        self.add_field("limits.cpus", tr("Processors"), tr("0: all that the machine has."))
        self.add_field("limits.tmp_mib", tr("Temporary files, in MiB"), tr("They are kept in memory."))
        self.add_field("limits.pids", tr("Processes"), "")
        self.add_field(
            "limits.gpus", tr("GPUs"), tr("none, all, or their ids as nvidia-smi -L lists them, with commas.")
        )
        self.add_title(tr("This node"))
        self.add_field(
            "limits.capacity",
            tr("Proofs at a time"),
            tr("Further turns are declined while as many are made."),
        )
        self.add_field("limits.prove_seconds", tr("Longest time of a proof, in seconds"), "")
        self.add_field(
            "limits.min_reward", tr("Lowest reward, in gwei"), tr("Requests that pay less are declined.")
        )
        self.add_field("limits.max_image_gib", tr("Largest image, in GiB"), tr("Larger ones are not pulled."))
        self.column.addStretch(1)
