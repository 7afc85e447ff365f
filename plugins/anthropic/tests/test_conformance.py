"""The kit that every provider has to pass, on answers as Anthropic gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tornado_router.testing import ProviderConformance
from tornado_router_anthropic import AnthropicProvider


class TestAnthropic(ProviderConformance):
    recordings = Path(__file__).parent / "recordings"

    @pytest.fixture
    def provider(self):
        return AnthropicProvider("anthropic", {"api_key": "sk-ant-canary-0123456789"})
