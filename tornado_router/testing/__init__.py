"""The conformance kit: proves that a provider does what clients of the router rely on.

    from tornado_router.testing import ProviderConformance

    class TestMine(ProviderConformance):
        recordings = Path(__file__).parent / "recordings"

        @pytest.fixture
        def provider(self):
            return MyProvider("mine", {"api_key": "sk-canary-0123456789"})

`BridgeConformance` proves a bridge between two endpoints. Both need
`tornado-llm-router[testing]`. `running_router` and `running_vendor` are for tests with clients'
SDKs, end to end. See docs/writing-a-provider.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tornado_router.testing.bridges import BridgeConformance
    from tornado_router.testing.conformance import ProviderConformance
    from tornado_router.testing.routers import running_router
    from tornado_router.testing.vendors import running_vendor

__all__ = ["BridgeConformance", "ProviderConformance", "running_router", "running_vendor"]

_MODULES = {
    "BridgeConformance": "bridges",
    "ProviderConformance": "conformance",
    "running_router": "routers",
    "running_vendor": "vendors",
}


def __getattr__(name: str) -> Any:
    # Late: pytest imports this package in every run, for `--conformance-report`, and most runs
    # have no use for hypothesis, a hundred requests and a router.
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
