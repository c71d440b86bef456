"""Judging the CA that a client sends for a store. Pure. What is stored is handed to TLS libraries on both sides, so garbage ends here."""

from __future__ import annotations

from cryptography import x509

MAX_BYTES = 65_536
MAX_CERTIFICATES = 50


def check_ca(pem: str, /) -> None:
    """Refuse what is not one or more certificates in PEM. Raises ValueError with a sentence that repeats nothing of it."""
    if len(pem.encode()) > MAX_BYTES:
        message = f"ca_pem is longer than {MAX_BYTES} bytes. Send the CA of this store only, not a bundle of the whole world."
        raise ValueError(message)
    if "PRIVATE KEY" in pem:
        raise ValueError("ca_pem holds a private key. Send the certificate of the CA only, and make a new key: this one has travelled.")
    try:
        found = x509.load_pem_x509_certificates(pem.encode("ascii"))
    except ValueError as error:
        text = "ca_pem is not a certificate in PEM. It begins with -----BEGIN CERTIFICATE-----."
        raise ValueError(text) from error
    if len(found) > MAX_CERTIFICATES:
        message = f"ca_pem holds {len(found)} certificates, at most {MAX_CERTIFICATES} are taken."
        raise ValueError(message)
