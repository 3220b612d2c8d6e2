"""The one tree of errors that people meet: a stable code, what happened, and what to do about it.

Adapters translate the errors of their SDK into these at the edge; nothing outside an adapter ever catches
an SDK's own exception.

One module for each range of codes; everybody imports from here.
"""

from __future__ import annotations

from gpn_desktop.core.errors.base import *  # noqa: F403
from gpn_desktop.core.errors.chain import *  # noqa: F403
from gpn_desktop.core.errors.network import *  # noqa: F403
from gpn_desktop.core.errors.operator import *  # noqa: F403
from gpn_desktop.core.errors.prover import *  # noqa: F403
from gpn_desktop.core.errors.request import *  # noqa: F403
from gpn_desktop.core.errors.setup import *  # noqa: F403
