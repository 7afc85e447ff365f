"""The conformance kit: proves that a provider does what clients of the router rely on.

    from tornado_router.testing import ProviderConformance

    class TestMine(ProviderConformance):
        recordings = Path(__file__).parent / "recordings"

        @pytest.fixture
        def provider(self):
            return MyProvider("mine", {"api_key": "sk-canary-0123456789"})

`BridgeConformance` proves a bridge between two endpoints. Both need
`tornado-llm-router[testing]`. See docs/writing-a-provider.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tornado_router.testing.bridges import BridgeConformance
    from tornado_router.testing.conformance import ProviderConformance

__all__ = ["BridgeConformance", "ProviderConformance"]


def __getattr__(name: str) -> Any:
    # Late: pytest imports this package in every run, for `--conformance-report`, and most runs
    # have no use for hypothesis and a hundred requests.
    if name == "ProviderConformance":
        from tornado_router.testing.conformance import ProviderConformance  # noqa: PLC0415

        return ProviderConformance
    if name == "BridgeConformance":
        from tornado_router.testing.bridges import BridgeConformance  # noqa: PLC0415

        return BridgeConformance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
