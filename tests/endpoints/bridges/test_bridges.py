"""Which bridge is taken: the first that leads to something that the provider has."""

import pytest

from tornado_router.endpoints import CHAT_COMPLETIONS, COMPLETIONS, EMBEDDINGS, ENDPOINTS
from tornado_router.endpoints.bridges import BRIDGES, BridgedProvider, bridged, serves
from tornado_router.provider import Provider


def provider(*endpoints):
    class Some(Provider):
        capabilities = dict.fromkeys((endpoint.name for endpoint in endpoints), ())

    return Some("some", {})


def test_a_provider_that_has_the_endpoint_serves_it_itself():
    both = provider(COMPLETIONS, CHAT_COMPLETIONS)
    assert bridged(both, COMPLETIONS.name) is both


def test_a_bridge_leads_to_an_endpoint_that_the_provider_has():
    chat = provider(CHAT_COMPLETIONS)
    assert isinstance(bridged(chat, COMPLETIONS.name), BridgedProvider)


@pytest.mark.parametrize(
    ("has", "wanted", "served"),
    [
        (CHAT_COMPLETIONS, CHAT_COMPLETIONS, True),
        (CHAT_COMPLETIONS, COMPLETIONS, True),
        (CHAT_COMPLETIONS, EMBEDDINGS, False),
        (EMBEDDINGS, COMPLETIONS, False),
        (COMPLETIONS, CHAT_COMPLETIONS, False),
    ],
)
def test_what_a_provider_serves(has, wanted, served):
    assert serves(provider(has), wanted.name) is served


def test_bridges_are_between_endpoints():
    assert {end for bridge in BRIDGES for end in (bridge.source, bridge.target)} <= set(ENDPOINTS)
