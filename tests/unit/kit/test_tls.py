"""The server's own certificate."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cloudcasa_server.kit.tls import LIFE, ensure_certificate, fingerprint, own_certificate

from tests.support.clock import START

NAMES = ["backup.example.org", "localhost", "127.0.0.1"]


def test_a_certificate_is_made_once_and_again_when_names_or_age_ask_for_it(tmp_path: Path) -> None:
    made = ensure_certificate(tmp_path, names=NAMES, now=START)
    assert made.private_key_file.stat().st_mode & 0o777 == 0o600
    first, ca = fingerprint(made.certificate_file), fingerprint(tmp_path / "ca.crt")
    ensure_certificate(tmp_path, names=NAMES, now=START + timedelta(days=100))
    assert fingerprint(made.certificate_file) == first
    ensure_certificate(tmp_path, names=[*NAMES, "::1"], now=START)
    second = fingerprint(made.certificate_file)
    assert second != first
    ensure_certificate(tmp_path, names=[*NAMES, "::1"], now=START + LIFE - timedelta(days=29))
    assert fingerprint(made.certificate_file) != second
    assert fingerprint(tmp_path / "ca.crt") == ca
    assert len(first) == 95


def test_a_client_that_trusts_the_ca_accepts_the_certificate(tmp_path: Path) -> None:
    made = ensure_certificate(tmp_path, names=NAMES, now=START)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate_file, made.private_key_file)
    client = ssl.create_default_context(cafile=str(made.ca_file))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ours.version() == "TLSv1.3"


def test_a_key_that_does_not_belong_is_refused(tmp_path: Path) -> None:
    one = ensure_certificate(tmp_path / "a", names=NAMES, now=START)
    two = ensure_certificate(tmp_path / "b", names=NAMES, now=START)
    assert own_certificate(one.certificate_file, one.private_key_file).ca_file is None
    with pytest.raises(ValueError, match="does not belong"):
        own_certificate(one.certificate_file, two.private_key_file)
