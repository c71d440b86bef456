"""Certificates and kubeconfigs of one lab: made new for each, valid for a month, elliptic curves throughout (milliseconds to make).

Called by `lab.run.lab` when a lab is created. Source: kubernetes.io, "PKI certificates and requirements".
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import state
from .state import Record

API_SERVICE = "10.96.0.1"
SERVICE_CIDR = "10.96.0.0/16"
_LIFETIME = dt.timedelta(days=30)
_CLIENTS = {
    "admin": ("lab-admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
}
"""Kubeconfig: (common name, organisation)."""


@dataclass(frozen=True)
class Authority:
    """A certificate authority and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def create(home: Path, *, record: Record) -> None:
    """Make every certificate, key and kubeconfig of the lab, once."""
    pki = home / "pki"
    if (pki / "ready").exists():
        return
    authority = _authority(pki, name="ca")
    front = _authority(pki, name="front-proxy-ca")
    hosts = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"]
    _leaf(
        pki, name="apiserver", authority=authority, subject=("kube-apiserver", ""), hosts=[*hosts, record.address, "127.0.0.1", API_SERVICE]
    )
    _leaf(pki, name="kubelet-server", authority=authority, subject=(record.name, ""), hosts=[record.name, record.address])
    _leaf(pki, name="apiserver-kubelet", authority=authority, subject=("apiserver-kubelet", "system:masters"))
    _leaf(pki, name="front-proxy", authority=front, subject=("front-proxy", ""))
    clients = {**_CLIENTS, "kubelet": (f"system:node:{record.name}", "system:nodes")}
    for name, subject in clients.items():
        _leaf(pki, name=name, authority=authority, subject=subject)
        state.write(home / f"{name}.kubeconfig", kubeconfig(pki, name=name, record=record))
    tokens = ec.generate_private_key(ec.SECP256R1())
    state.write(pki / "tokens.key", _pem(tokens))
    public = tokens.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    state.write(pki / "tokens.pub", public.decode())
    state.write(pki / "ready", "")


def kubeconfig(pki: Path, *, name: str, record: Record) -> str:
    """Return a kubeconfig for one client, with everything it needs inside."""

    def inline(file: str) -> str:
        return base64.b64encode((pki / file).read_bytes()).decode()

    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": record.name,
            "clusters": [{"name": record.name, "cluster": {"server": record.api_url, "certificate-authority-data": inline("ca.crt")}}],
            "users": [{"name": name, "user": {"client-certificate-data": inline(f"{name}.crt"), "client-key-data": inline(f"{name}.key")}}],
            "contexts": [{"name": record.name, "context": {"cluster": record.name, "user": name}}],
        },
        indent=1,
    )


def _authority(pki: Path, *, name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lab-{name}")])
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(subject, issuer=subject, key=key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _store(pki, name=name, certificate=certificate, key=key)
    return Authority(certificate=certificate, key=key)


def _leaf(pki: Path, *, name: str, authority: Authority, subject: tuple[str, str], hosts: Sequence[str] = ()) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    common, organisation = subject
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organisation:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
    builder = _builder(x509.Name(attributes), issuer=authority.certificate.subject, key=key)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(one) for one in dict.fromkeys(hosts)]), critical=False)
    _store(pki, name=name, certificate=builder.sign(authority.key, hashes.SHA256()), key=key)


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(subject: x509.Name, *, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + _LIFETIME)


def _store(pki: Path, *, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    state.write(pki / f"{name}.key", _pem(key))
    state.write(pki / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM).decode())


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
