"""What an engine or its SDK says, as coded errors with remedies."""

from __future__ import annotations

import pytest
import requests

from gpn_desktop.adapters.docker import faults
from gpn_desktop.core import errors

# As engines 20.10 to 27 and their registries word it.
PULLS = [
    ("manifest for 127.0.0.1:5000/x@sha256:1 not found: manifest unknown", errors.ImageUnavailable),
    ("Get https://nowhere/v2/: dial tcp: lookup nowhere: no such host", errors.ImageUnavailable),
    ("Get http://127.0.0.1:5001/v2/x: no basic auth credentials", errors.RegistryDenied),
    ("pull access denied for x, repository does not exist or may require 'docker login': denied: requested "
     "access to the resource is denied", errors.RegistryDenied),
    ("unauthorized: authentication required", errors.RegistryDenied),
    ("filesystem layer verification failed for digest sha256:1", errors.ImageDamaged),
    ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", errors.EngineDiskFull),
]  # fmt: skip


@pytest.mark.parametrize(("said", "error"), PULLS)
def test_a_failed_pull_says_what_to_do(said: str, error: type[errors.GpnError]) -> None:
    found = faults.unpulled("an/image", said)

    assert type(found) is error
    assert "an/image" in found.message


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (PermissionError(13, "Permission denied"), errors.EngineDenied),
        (FileNotFoundError(2, "No such file"), errors.EngineMissing),
        (ConnectionRefusedError(111, "Connection refused"), errors.EngineMissing),
        (TimeoutError("timed out"), errors.EngineMissing),
    ],
)
def test_an_engine_that_does_not_answer_says_why(cause: OSError, error: type[errors.GpnError]) -> None:
    wrapped = requests.ConnectionError("Connection aborted.", cause)

    found = faults.unreachable(wrapped, "unix:///var/run/docker.sock")

    assert type(found) is error
    assert "docker.sock" in found.message
    assert found.remedy


def test_a_missing_gpu_and_a_full_disk_are_told_from_other_refusals() -> None:
    gpu = faults.refused('could not select device driver "" with capabilities: [[gpu]]')
    full = faults.refused("write /x: no space left on device")

    assert isinstance(gpu, errors.GpuUnavailable)
    assert isinstance(full, errors.EngineDiskFull)
    assert type(faults.refused("something else")) is errors.EngineFault
