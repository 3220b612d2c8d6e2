"""This machine's clock against that of a server it uses anyway, by the Date line of a plain answer.

No time service is asked: the chain node's own web server tells the time to a second with every answer, even
with a refusal.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from gpn_desktop.ports.health import ServerTime

# The line tells whole seconds, cut off: on average it is half a second behind.
_HALF_SECOND = 0.5


def server_time(url: str, timeout: float = 4.0, clock: Callable[[], float] = time.time) -> ServerTime | None:
    """None where the server does not answer or tells no time. Blocks for about ``timeout`` seconds.

    Only the host is asked: the access key that the URL may carry is not sent.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    kind = HTTPSConnection if parts.scheme in ("wss", "https") else HTTPConnection
    connection = kind(host, port, timeout=timeout)
    try:
        before = clock()
        connection.request("HEAD", "/", headers={"Connection": "close"})
        date = connection.getresponse().getheader("Date")
        after = clock()
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return _compare(host, date, (before + after) / 2)


def _compare(host: str, date: str | None, here: float) -> ServerTime | None:
    try:
        there = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return None
    return ServerTime(host, here - there - _HALF_SECOND)
