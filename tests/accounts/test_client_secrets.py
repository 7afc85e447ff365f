"""Secrets say whose they are and until when, and cannot be made up."""

import pytest

from tornado_router.accounts.client_secrets import UPLOADS, ClientSecrets, looks_like_secret

SECRET = "x" * 40
SESSION = {"type": "realtime", "model": "m", "instructions": "Grüße " * 50}


def test_one_is_read_by_every_worker():
    value, expires_at = ClientSecrets(SECRET, lambda: 1000.5).make("hash", SESSION, 60)
    assert looks_like_secret(value)
    assert expires_at == 1060
    assert value.isascii()
    assert not set(value) & set(' ,;="()<>@:\\/[]?{}')  # what no sub-protocol may have
    read = ClientSecrets(SECRET, lambda: 1059.0).read(value)
    assert (read.key_hash, read.session, read.expires_at) == ("hash", SESSION, 1060)
    assert ClientSecrets(SECRET, lambda: 1060.0).read(value) is None


@pytest.mark.parametrize("secret", ["y" * 40, ""])
def test_one_that_another_has_signed_is_none(secret):
    value, _ = ClientSecrets(SECRET).make("hash", SESSION, 60)
    assert ClientSecrets(secret).read(value) is None


@pytest.mark.parametrize("value", ["", "ek_", "ek_x", "ek_x.y", "sk-tr-x"])
def test_what_is_none(value):
    assert ClientSecrets(SECRET).read(value) is None


def test_one_is_changed_by_nobody():
    secrets = ClientSecrets(SECRET)
    value, _ = secrets.make("hash", SESSION, 60)
    for at in range(3, len(value), 7):
        other = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        assert secrets.read(other) is None


def test_one_is_of_no_use_for_another_purpose():
    value, _ = ClientSecrets(SECRET, purpose=UPLOADS).make("hash", SESSION, 60)
    assert ClientSecrets(SECRET).read(value) is None
    assert ClientSecrets(SECRET, purpose=UPLOADS).read(value).key_hash == "hash"
