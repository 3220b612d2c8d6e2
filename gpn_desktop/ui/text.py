"""Words and figures for people. Amounts are exact: integers in, digits out, no float in between."""

from __future__ import annotations

import time

from PySide6.QtCore import QCoreApplication, QDateTime

from gpn_desktop.core.errors import GpnError
from gpn_desktop.core.said import Said
from gpn_desktop.core.types import WEI_PER_GWEI, Address, Gwei, Wei, short

WEI_DIGITS = 18
GWEI_DIGITS = 9
# Amounts keep at least this many digits after the point, so that columns of them line up.
MIN_DECIMALS = 4


def tr(text: str) -> str:
    """The translated text; the one gate for every string that people read."""
    return QCoreApplication.translate("GPN", text)


def say(words: str) -> str:
    """What the node said, in the window's language where it has a translation; otherwise as it is."""
    if isinstance(words, Said):
        values = {name: say(value) for name, value in words.values.items()}
        return tr(words.template).format(**values)
    return tr(words) if words else ""


def marked(text: str) -> str:
    """A word of a table that is translated when it is shown."""
    return text


# Words of the node's own that pages show: roles, and the steps of a request's life.
ROLES = (marked("Prover"), marked("Verifier"), marked("Gateway"), marked("None"))
STEPS = (
    marked("Received"),
    marked("Waiting"),
    marked("Proving"),
    marked("Verifying"),
    marked("Verified"),
    marked("Settled"),
    marked("Paid"),
    marked("Expired"),
    marked("Cancelled"),
    marked("Refused"),
    marked("Resumed after a restart"),
    marked("A canary: the consumer had asked for the false proof"),
)


def decimal(amount: int, digits: int, least: int = MIN_DECIMALS) -> str:
    """``amount / 10^digits`` written out exactly, with at least ``least`` digits after the point."""
    sign, amount = ("−", -amount) if amount < 0 else ("", amount)
    whole, rest = divmod(amount, 10**digits)
    tail = f"{rest:0{digits}d}".rstrip("0").ljust(least, "0")
    return f"{sign}{whole:,}.{tail}"


def eth(amount: Gwei) -> str:
    """An amount in gwei as ETH, exact to the gwei, without its unit."""
    return decimal(amount, GWEI_DIGITS)


def eth_of_wei(amount: Wei) -> str:
    """An amount in wei as ETH, without its unit, cut to whole gwei (never rounded up)."""
    if amount < 0:
        return "−" + eth_of_wei(Wei(-amount))
    return decimal(amount // WEI_PER_GWEI, GWEI_DIGITS)


def exact_wei(amount: Wei) -> str:
    """The full amount with both units, for tool tips and confirmations."""
    return tr("{eth} ETH ({wei} wei)").format(eth=decimal(amount, WEI_DIGITS, 1), wei=f"{amount:,}")


def exact_gwei(amount: Gwei) -> str:
    return tr("{eth} ETH ({gwei} gwei)").format(eth=eth(amount), gwei=f"{amount:,}")


def span(seconds: int) -> str:
    """A length of time: ``2:12`` below an hour, ``5 h 12 min`` below a day, then days."""
    seconds = max(0, seconds)
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d}"
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours < 24:
        return tr("{h} h {m} min").format(h=hours, m=minutes)
    return tr("{d} d {h} h").format(d=hours // 24, h=hours % 24)


def left(deadline: int, now: float | None = None) -> str:
    """Time until a Unix second: ``2:12 left``, or ``over``."""
    rest = deadline - int(time.time() if now is None else now)
    return tr("{span} left").format(span=span(rest)) if rest > 0 else tr("over")


def until(moment: int, now: float | None = None) -> str:
    """``in 5 h 12 min``, or ``now``."""
    rest = moment - int(time.time() if now is None else now)
    return tr("in {span}").format(span=span(rest)) if rest > 0 else tr("now")


def clock(millis: int, precise: bool = False) -> str:
    """A Unix time in milliseconds as local ``14:02:11``; with its date when it was not today."""
    moment = QDateTime.fromMSecsSinceEpoch(millis)
    text = moment.toString("HH:mm:ss.zzz" if precise else "HH:mm:ss")
    if moment.date() == QDateTime.currentDateTime().date():
        return text
    return f"{moment.toString('d MMM')} {text}"


def took(millis: int) -> str:
    """A duration: ``840 ms``, ``2.4 s``, ``3:02``."""
    if millis < 1000:
        return tr("{n} ms").format(n=max(0, millis))
    if millis < 60_000:
        return tr("{n} s").format(n=f"{millis // 1000}.{millis % 1000 // 100}")
    return span(millis // 1000)


def size(count: int) -> str:
    """Bytes for people, in decimal units as disks and registries count: ``64 MB``, ``1.3 GB``."""
    if count < 1000:
        return tr("{n} bytes").format(n=count)
    tenths, unit = count // 100, "kB"
    for larger in ("MB", "GB", "TB"):
        if tenths < 10_000:
            break
        tenths, unit = tenths // 1000, larger
    return f"{tenths // 10} {unit}" if tenths >= 100 else f"{tenths // 10}.{tenths % 10} {unit}"


def ordinal(number: int) -> str:
    endings = {1: tr("{n}st"), 2: tr("{n}nd"), 3: tr("{n}rd")}
    other = tr("{n}th")
    ending = other if 10 <= number % 100 <= 20 else endings.get(number % 10, other)
    return ending.format(n=number)


def role(name: str) -> str:
    """A node's part in a request, which the node calls "Verifier", or "Prover, 1st"."""
    what, _, place = name.partition(", ")
    number = "".join(filter(str.isdecimal, place))
    return f"{tr(what)}, {ordinal(int(number))}" if number else tr(name)


def plural(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def who(address: Address | None, me: Address | None = None) -> str:
    """An operator for people: ``You``, or the shortened address."""
    if address is None:
        return "–"
    return tr("You") if address == me else short(address)


def explain(error: BaseException) -> str:
    """What happened, what to do, and the stable code, as one line."""
    if isinstance(error, GpnError):
        return f"{say(error.message)} {say(error.remedy)} [{error.code}]"
    return tr("Unexpected error: {name}: {text}. The log has the details.").format(
        name=type(error).__name__, text=error
    )
