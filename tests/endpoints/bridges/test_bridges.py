"""Which bridge is taken: the first that leads to something that the provider has."""

import asyncio
from typing import ClassVar

import pytest

from tornado_router.endpoints import CHAT_COMPLETIONS, COMPLETIONS, EMBEDDINGS, ENDPOINTS, RESPONSES
from tornado_router.endpoints.bridges import BRIDGES, BridgedProvider, bridged, serves
from tornado_router.provider import Call, Provider, ProviderError


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
        (RESPONSES, CHAT_COMPLETIONS, True),
        (RESPONSES, COMPLETIONS, True),
        (RESPONSES, EMBEDDINGS, False),
    ],
)
def test_what_a_provider_serves(has, wanted, served):
    assert serves(provider(has), wanted.name) is served


class All(Provider):
    """Has every endpoint, and says which was taken."""

    capabilities: ClassVar = dict.fromkeys(ENDPOINTS, ())

    async def send(self, call, http):
        raise ProviderError(418, call.endpoint)


def taken(endpoint, **body):
    server = bridged(All("all", {}), endpoint.name, RESPONSES.name)
    call = Call("r1", endpoint.name, "m", {"model": "m", **body}, b"{}", False, "adapt")
    with pytest.raises(ProviderError) as caught:
        asyncio.run(server.send(call, None))
    return server, caught.value.message


def test_chat_goes_by_responses_where_a_target_says_so():
    chat = {"messages": [{"role": "user", "content": "x"}]}
    for endpoint, body in ((CHAT_COMPLETIONS, chat), (COMPLETIONS, {"prompt": "x"})):
        server, name = taken(endpoint, **body)
        assert (name, server.remembers) == (RESPONSES.name, True)
    for endpoint in (RESPONSES, EMBEDDINGS):
        server, name = taken(endpoint, input="x")
        assert (name, server.remembers) == (endpoint.name, False)


def test_a_target_that_lacks_responses_keeps_its_chat():
    chat = provider(CHAT_COMPLETIONS)
    assert bridged(chat, CHAT_COMPLETIONS.name, RESPONSES.name) is chat


def test_bridges_are_between_endpoints():
    assert {end for bridge in BRIDGES for end in (bridge.source, bridge.target)} <= set(ENDPOINTS)
