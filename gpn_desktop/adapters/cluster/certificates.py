"""The cluster's own certificate authority, and what it signs. Keys never leave the machine that made them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gpn_desktop.adapters.files import replace_file
from gpn_desktop.core.errors import ClusterNotSetUp, JoinRefused

LASTING = dt.timedelta(days=3650)
_CLOCKS_DIFFER = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Papers:
    """The files that a member of the cluster shows: the authority's certificate, its own, and its key."""

    authority: Path
    certificate: Path
    key: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Papers:
        return cls(folder / "authority.pem", folder / "member.pem", folder / "member-key.pem")

    @property
    def complete(self) -> bool:
        return all(path.is_file() for path in (self.authority, self.certificate, self.key))


class Authority:
    """Signs certificates for the machines of one operator. ``folder`` holds its key and the node's papers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.papers = Papers.in_folder(folder)
        self._key_path = folder / "authority-key.pem"

    @property
    def exists(self) -> bool:
        return self._key_path.is_file() and self.papers.complete

    def create(self) -> None:
        """Makes the authority and the node's own certificate; what is there already is kept."""
        if self.exists:
            return
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("gpn-desktop cluster")
        root = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        replace_file(self._key_path, _key_text(key))
        replace_file(self.papers.authority, _text(root))
        own = ec.generate_private_key(ec.SECP256R1())
        replace_file(self.papers.key, _key_text(own))
        replace_file(self.papers.certificate, self.sign(request_of(own, "node")))

    def fingerprint(self) -> bytes:
        """sha256 of the authority's certificate."""
        return fingerprint_of(self._read(self.papers.authority))

    def certificate(self) -> str:
        return self._read(self.papers.authority)

    def sign(self, request: str) -> str:
        """A certificate for a signing request (PEM). JoinRefused for what is none."""
        try:
            asked = x509.load_pem_x509_csr(request.encode("ascii"))
            if not asked.is_signature_valid or not isinstance(asked.public_key(), ec.EllipticCurvePublicKey):
                raise ValueError
        except ValueError:
            raise JoinRefused("This is no request for a certificate.") from None
        root = x509.load_pem_x509_certificate(self.certificate().encode("ascii"))
        key = serialization.load_pem_private_key(self._read(self._key_path).encode("ascii"), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        made = _builder(asked.subject, root.subject, asked.public_key()).add_extension(  # type: ignore[arg-type]
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        return _text(made.sign(key, hashes.SHA256()))

    def _read(self, path: Path) -> str:
        try:
            return path.read_text(encoding="ascii")
        except OSError as error:
            raise ClusterNotSetUp(f"There is no cluster in {self._folder}.") from error


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def request_of(key: ec.EllipticCurvePrivateKey, name: str) -> str:
    made = x509.CertificateSigningRequestBuilder().subject_name(_name(name)).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode("ascii")


def fingerprint_of(certificate: str) -> bytes:
    """ValueError for what is no certificate."""
    loaded = x509.load_pem_x509_certificate(certificate.encode("ascii"))
    return sha256(loaded.public_bytes(serialization.Encoding.DER)).digest()


def issued_by(leaf: bytes, authority: str) -> bool:
    """Whether a certificate (DER) was signed by the authority (PEM)."""
    root = x509.load_pem_x509_certificate(authority.encode("ascii"))
    try:
        x509.load_der_x509_certificate(leaf).verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def keep(papers: Papers, authority: str, certificate: str, key: ec.EllipticCurvePrivateKey) -> None:
    replace_file(papers.authority, authority)
    replace_file(papers.key, _key_text(key))
    replace_file(papers.certificate, certificate)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + LASTING)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode("ascii")
