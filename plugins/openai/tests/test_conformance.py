"""The conformance kit, for a provider that relays OpenAI's own format."""

from pathlib import Path

import pytest

from tornado_router.testing import ProviderConformance
from tornado_router_openai import OpenAI


class TestOpenAI(ProviderConformance):
    recordings = Path(__file__).parent / "recordings"

    @pytest.fixture
    def provider(self):
        return OpenAI("openai", {"api_key": "sk-canary-0123456789"})
