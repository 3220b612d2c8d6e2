"""Serving with a certificate, and certificates that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gpn_desktop.adapters.grpc.client import ProvingClient
from gpn_desktop.adapters.grpc.server import GrpcOptions, GrpcServer
from gpn_desktop.core.errors import ConfigError, GatewayUnreachable, GpnError
from tests.unit.adapters.grpc.fake import FakeFacade


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    (folder / "node.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    raw = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "node.key").write_bytes(raw)
    return folder / "node.crt", folder / "node.key"


async def test_a_client_that_knows_the_certificate_is_served(pair: tuple[Path, Path]) -> None:
    server = GrpcServer(FakeFacade(), GrpcOptions(tls_certificate=pair[0], tls_key=pair[1]))
    await server.start()
    async with ProvingClient(server.target, root_certificate=pair[0].read_bytes()) as client:
        assert (await client.info()).version == "0.1.0"
    async with ProvingClient(server.target, within=5) as plain:
        with pytest.raises(GatewayUnreachable):
            await plain.info()
    await server.aclose(0)


async def test_half_a_pair_and_no_certificate_at_all(pair: tuple[Path, Path], tmp_path: Path) -> None:
    cases: list[tuple[GrpcOptions, type[GpnError], str]] = [
        (GrpcOptions(tls_certificate=pair[0]), ConfigError, "both"),
        (GrpcOptions(tls_certificate=pair[0], tls_key=tmp_path / "no.key"), ConfigError, "cannot be used"),
        (GrpcOptions(tls_certificate=pair[1], tls_key=pair[0]), ConfigError, "cannot be used"),
    ]
    for options, kind, text in cases:
        with pytest.raises(kind, match=text):
            await GrpcServer(FakeFacade(), options).start()
