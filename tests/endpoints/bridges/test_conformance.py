"""The conformance kit, for every bridge."""

import pytest

from tornado_router.endpoints.bridges import BRIDGES
from tornado_router.testing import BridgeConformance


class TestBridges(BridgeConformance):
    @pytest.fixture(params=BRIDGES, ids=lambda bridge: f"{bridge.source}-{bridge.target}")
    def bridge(self, request):
        return request.param
