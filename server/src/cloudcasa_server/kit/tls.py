"""The server's certificate: its own CA, made at first start in `data_dir`/tls, unless the operator brings a certificate.

The CA lives ten years and never changes, because agents and clients are told to trust it; the certificate lives 13 months (the most that
browsers accept) and is made again when it nears its end or its names change. The CA's key signs nothing else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .crypto import write_private

CA_LIFE = timedelta(days=3650)
LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
_SKEW = timedelta(hours=1)
"""Certificates are valid from an hour ago: clocks of nodes differ."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where uvicorn finds what it serves, and what clients are told to trust."""

    certificate_file: Path
    private_key_file: Path
    ca_file: Path | None
    """None when the operator brought a certificate of a CA that clients know already."""


def ensure_certificate(directory: Path, *, names: Sequence[str], now: datetime) -> Certificate:
    """Return a certificate for the names, made or made again where needed."""
    ca_file, ca_key_file = directory / "ca.crt", directory / "ca.key"
    found = Certificate(directory / "tls.crt", directory / "tls.key", ca_file)
    if not (ca_file.exists() and ca_key_file.exists()):
        _make_ca(ca_file, ca_key_file, now)
    if not _is_good(found, names, now):
        _make_leaf(found, ca_file, ca_key_file, names, now)
    return found


def own_certificate(certificate_file: Path, private_key_file: Path, *, ca_file: Path | None = None) -> Certificate:
    """Return the certificate the operator brought. Raises ValueError or OSError when the files do not belong together."""
    certificate = _read(certificate_file)
    if ca_file and not _leads_to(x509.load_pem_x509_certificates(certificate_file.read_bytes()), ca_file):
        raise ValueError(f"The certificate {certificate_file} and its chain are not signed by a CA in {ca_file}.")
    if _public(_key(private_key_file)) != _public_of(certificate):
        raise ValueError(f"The private key {private_key_file} does not belong to the certificate {certificate_file}.")
    return Certificate(certificate_file, private_key_file, ca_file)


def _leads_to(chain: Sequence[x509.Certificate], ca_file: Path) -> bool:
    """Tell whether a certificate of the chain is one of the file's, or is issued by one."""
    trusted = x509.load_pem_x509_certificates(ca_file.read_bytes())
    return any(one == ca or _is_issued(one, ca) for one in chain for ca in trusted)


def _is_issued(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def fingerprint(certificate_file: Path) -> str:
    """Return the SHA-256 fingerprint, as openssl writes it: AB:CD:…"""
    return _read(certificate_file).fingerprint(hashes.SHA256()).hex(":").upper()


def _is_good(found: Certificate, names: Sequence[str], now: datetime) -> bool:
    if not (found.certificate_file.exists() and found.private_key_file.exists() and found.ca_file):
        return False
    certificate = _read(found.certificate_file)
    alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    is_ours = certificate.issuer == _read(found.ca_file).subject and _public(_key(found.private_key_file)) == _public_of(certificate)
    return is_ours and list(alternatives) == _alternatives(names) and certificate.not_valid_after_utc - RENEW_BEFORE > now


def _make_ca(ca_file: Path, ca_key_file: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CloudCasa CA {serial % 16**8:08x}")])
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key, valid=(now, CA_LIFE), serial=serial)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(ca_file, ca_key_file, certificate, key)


def _make_leaf(found: Certificate, ca_file: Path, ca_key_file: Path, names: Sequence[str], now: datetime) -> None:
    ca, ca_key = _read(ca_file), _key(ca_key_file)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{ca_key_file} is not the key this server made")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    certificate = (
        _builder(subject, ca.subject, key, valid=(now, LIFE), serial=x509.random_serial_number())
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(found.certificate_file, found.private_key_file, certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, valid: tuple[datetime, timedelta], serial: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(valid[0] - _SKEW)
        .not_valid_after(valid[0] + valid[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_alternative(name) for name in names]


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(certificate_file: Path, key_file: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    """Write the key first: a certificate without its key would be taken for good."""
    form = serialization.PrivateFormat.PKCS8
    write_private(key_file, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    write_private(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    certificate_file.chmod(0o644)


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _key(path: Path) -> PrivateKeyTypes:
    return serialization.load_pem_private_key(path.read_bytes(), password=None)


def _public(key: PrivateKeyTypes) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _public_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
