"""What `test_kit_catches_faults.py` has pytest run: the kit on the provider that it chose."""

from pathlib import Path

import pytest

from tornado_router.testing import ProviderConformance

chosen = []
"""The class of the provider under test; the last one."""


class TestChosen(ProviderConformance):
    recordings = Path(__file__).parent / "recordings"
    examples = 30

    @pytest.fixture
    def provider(self):
        return chosen[-1]("acme", {"api_key": "sk-canary-0123456789"})
