"""The conformance kit, for a provider that answers in process: it records requests alone."""

from pathlib import Path

import pytest

from tornado_router.testing import ProviderConformance
from tornado_router_echo import EchoProvider


class TestEcho(ProviderConformance):
    recordings = Path(__file__).parent / "recordings"

    @pytest.fixture
    def provider(self):
        return EchoProvider("echo", {})


class TestEchoBehindAWire(ProviderConformance):
    recordings = Path(__file__).parent / "recordings"

    @pytest.fixture
    def provider(self):
        return EchoProvider("echo", {"wire": "json_lines"})
