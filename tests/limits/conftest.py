"""What the tests of limits share."""

import pytest

from tornado_router.limits import epoch

from ..support import DEADLINE


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch):
    """A router that is alone from its start waits for nobody, and a busy machine for its Redis."""
    monkeypatch.setattr(epoch, "GRACE_SECONDS", 0)
    monkeypatch.setattr(epoch, "WAIT_SECONDS", DEADLINE)
