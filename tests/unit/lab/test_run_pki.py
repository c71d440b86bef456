"""Certificates a lab makes for itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography import x509

from lab.run import pki, state

pytestmark = pytest.mark.unit


def test_lab_makes_its_certificates_and_kubeconfigs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    record = state.create("one", profile="control")
    home = state.directory("one")
    pki.create(home, record=record)
    first = (home / "pki/ca.crt").read_bytes()
    pki.create(home, record=record)
    assert (home / "pki/ca.crt").read_bytes() == first
    server = x509.load_pem_x509_certificate((home / "pki/apiserver.crt").read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "10.96.0.1" in [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    config = json.loads((home / "admin.kubeconfig").read_text())
    assert config["clusters"][0]["cluster"]["server"] == record.api_url
    assert all(path.stat().st_mode & 0o077 == 0 for path in (home / "pki").iterdir())
