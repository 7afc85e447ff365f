import hashlib

import pytest

from tornado_router.accounts.digest import digest


def test_is_the_same_as_ever():
    """Keys in databases of earlier versions are found by it."""
    assert digest("sk-tr-abc") == hashlib.sha256(b"sk-tr-abc").hexdigest()


@pytest.mark.parametrize("secret", ["", "ä", "\ud800"])
def test_every_text_has_one(secret):
    assert len(digest(secret)) == 64
