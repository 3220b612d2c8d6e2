"""Logging to stderr and to the window's log book. No secret is ever an argument of a log call of ours; what
libraries and others' errors bring along is cut out at the exit.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from functools import cache

from gpn_desktop.adapters.system.logbook import RingLogBook
from gpn_desktop.config_values import LogFormat
from gpn_desktop.core.redaction import redact
from gpn_desktop.core.types import hex0x
from gpn_desktop.services.context import request_in_work

LOUD_LIBRARIES = ("libp2p", "multiaddr", "web3", "websockets", "urllib3", "docker", "asyncio", "grpc", "trio")
FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class Request(logging.Filter):
    """Names the request in whose service a line is written, for those who collect lines of many nodes."""

    def filter(self, record: logging.LogRecord) -> bool:
        request_id = request_in_work.get()
        record.request = None if request_id is None else hex0x(request_id)
        return True


class Lines(logging.Formatter):
    """For people."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class Objects(logging.Formatter):
    """For machines: each record a JSON object in a line of its own, its traceback in one field."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        made = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        request = getattr(record, "request", None)
        if request is not None:
            made["request"] = request
        if record.exc_info:
            made["error"] = redact(self.formatException(record.exc_info))
        if record.stack_info:
            made["stack"] = redact(record.stack_info)
        return json.dumps(made)


def configure(level: str, form: LogFormat = LogFormat.TEXT) -> None:
    """May be called again with another level and another form."""
    root = logging.getLogger()
    handler = next((known for known in root.handlers if type(known) is logging.StreamHandler), None)
    if handler is None:
        handler = logging.StreamHandler(sys.stderr)
        handler.addFilter(Request())
        root.addHandler(handler)
    handler.setFormatter(Objects() if form is LogFormat.JSON else Lines(FORMAT))
    root.setLevel(level.upper())
    for name in LOUD_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


@cache
def book() -> RingLogBook:
    """This process's log book; it takes lines from the first call on."""
    made = RingLogBook()
    logging.getLogger().addHandler(made)
    return made
