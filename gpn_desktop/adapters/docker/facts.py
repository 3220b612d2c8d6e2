"""Which engine answers, for people."""

from __future__ import annotations

from typing import Any

import docker.errors  # type: ignore[import-untyped]
import requests

from gpn_desktop.adapters.docker.engine import connect
from gpn_desktop.core.errors import EngineMissing
from gpn_desktop.core.health import Engine


def engine_facts(host: str | None = None, timeout: float = 4.0) -> Engine:
    """Blocks for at most about twice the ``timeout``.

    Raises:
        EngineMissing, EngineDenied, EngineTooOld
    """
    client = connect(host, timeout)
    try:
        said: Any = client.version()
        return Engine(str(said["Version"]), str(said["ApiVersion"]), f"{said['Os']}/{said['Arch']}")
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise EngineMissing(f"The Docker engine does not answer: {error}") from error
    except (LookupError, TypeError) as error:
        raise EngineMissing("What answers is no Docker engine.") from error
    finally:
        client.close()
