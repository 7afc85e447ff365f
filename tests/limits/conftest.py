"""What the tests of limits share."""

import pytest

from tornado_router.limits import epoch


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch):
    """A router that is alone from its start waits for nobody."""
    monkeypatch.setattr(epoch, "GRACE_SECONDS", 0)
