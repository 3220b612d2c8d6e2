"""What a window can be opened on: this machine's own node, or a demo network. Composition makes these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from gpn_desktop.services.desk import Desk

if TYPE_CHECKING:
    # For the types only: they pull in the protocol's cryptography, 0.3 s before the first paint.
    from gpn_desktop.services.facade import Facade
    from gpn_desktop.ui.story import Story


@dataclass(frozen=True, slots=True)
class Start:
    """What a window begins with.

    Attributes:
        instance: the name by which a second start finds this one; "": none.
        furnish: puts on the desk what takes a moment to import; called once the window is painted.
        report: whether to say on stdout how long the window took to appear.
    """

    desk: Desk = field(default_factory=Desk)
    instance: str = ""
    furnish: Furnish | None = None
    report: bool = False


Furnish: TypeAlias = "Callable[[Desk], Awaitable[None]]"
MakeFacade: TypeAlias = "Callable[[], Awaitable[Facade]]"
Background: TypeAlias = "Callable[[Facade], Awaitable[None]]"


@dataclass(frozen=True, slots=True)
class Opening:
    """One thing to open.

    Attributes:
        make_facade: builds and starts the node on the loop it is awaited on; slow imports belong into it. A
            GpnError is shown with its remedy and a button that calls it again; so is any other error.
        banner: shown on every page, such as that nothing in a demo has a value.
        background: runs beside the window, such as the demo's script; its error becomes a banner, and it is
            cancelled before the node is shut down.
        starting, about: what is being started, for the start page.
        story: what is told while it starts and runs.
        offer, pitch: the words of the button that opens this one in place of another, and why one would.
    """

    make_facade: MakeFacade
    title: str = "GPN Desktop"
    banner: str = ""
    background: Background | None = None
    starting: str = "Starting the node"
    about: str = ""
    story: Story | None = None
    offer: str = ""
    pitch: str = ""
