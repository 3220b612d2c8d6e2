"""What the window has without a node, made from the settings; nothing slow is imported here."""

from __future__ import annotations

from pathlib import Path

from gpn_desktop import config as settings
from gpn_desktop.adapters.files import replace_file
from gpn_desktop.core.errors import ConfigError
from gpn_desktop.services.desk import Desk
from gpn_desktop.ui.opening import Start


def window_start(file: Path | None) -> Start:
    """For the window on the operator's own node."""
    from gpn_desktop.ui.single import instance_name

    try:
        config = settings.load(file=file)
    except ConfigError:
        return Start()  # the opening fails with the same error, and the start page shows it
    return Start(Desk(save=replace_file), instance_name(str(config.data_dir)))
