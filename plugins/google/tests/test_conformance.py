"""The kit that every provider has to pass, on answers as Google gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tornado_router.testing import ProviderConformance
from tornado_router_google import GoogleProvider


class TestGoogle(ProviderConformance):
    recordings = Path(__file__).parent / "recordings"

    @pytest.fixture
    def provider(self):
        return GoogleProvider(
            "google",
            {"api_key": "AIza-canary-0123456789", "access_token": "ya29.canary-0123456789"},
        )
