"""The provider under test."""

from __future__ import annotations

import pytest

from .support import Claude


@pytest.fixture
def claude() -> Claude:
    return Claude()
