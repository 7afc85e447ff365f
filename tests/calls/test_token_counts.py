"""Counts of tokens: the vendor's where it counts, else an estimate."""

import asyncio

import orjson
import pytest

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.token_counts import TokenCounts
from tornado_router.config.options import ProviderOptions
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError, ProviderError
from tornado_router.limits.memory import MemoryLimiter
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import Call, Provider
from tornado_router.routing.routes import Target

BODY = {"model": "fast", "messages": [{"role": "user", "content": "x" * 4000}]}
CALL = Call("r1", "messages", "fast", BODY, orjson.dumps(BODY), stream=False)


class Counting(Provider):
    """Counts as it is scripted to."""

    capabilities = {"messages": (), "messages.count_tokens": ()}  # noqa: RUF012
    answer = None

    async def send(self, call, http):
        self.asked = call
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Names:
    """The router's names: one model, by one target."""

    def route(self, model, endpoint):
        if model != "fast":
            raise Invalid.model_not_found(model=model)
        return self

    targets = (Target("p", "claude-opus-5-5"),)

    def off(self, model):
        return {}

    def alike(self, model):
        return ()


def count(provider, call=CALL, key=None):
    configured = ConfiguredProvider("p", ProviderOptions(type="t"), provider)

    async def ask(call, name):
        return await provider.send(call, None)

    async def main():
        counts = TokenCounts(Names(), {"p": configured}, ask, MemoryLimiter(), origin)
        return await counts.count(call, key or Key(1, 1, "k"))

    return asyncio.run(main())


async def origin(call, user_id):
    raise AssertionError("nothing is gone on from")


def counting(answer):
    provider = Counting("p", {})
    provider.answer = answer
    return provider


def test_the_vendors_count_by_its_own_name_of_the_model():
    provider = counting({"input_tokens": 14})
    assert count(provider) == 14
    assert (provider.asked.endpoint, provider.asked.model) == (
        "messages.count_tokens",
        "claude-opus-5-5",
    )
    assert provider.asked.raw == CALL.raw


@pytest.mark.parametrize(
    "answer", [{}, {"input_tokens": "many"}, ProviderError(529, "Busy."), ProviderError(429, "No.")]
)
def test_a_vendor_that_cannot_count_now_is_stood_in_for(answer):
    assert count(counting(answer)) > 1000


def test_and_so_is_one_that_never_counts():
    provider = counting(None)
    provider.capabilities = {"messages": ()}
    assert count(provider) > 1000


def test_what_the_vendor_refuses_is_refused():
    with pytest.raises(ApiError, match="too many images"):
        count(counting(ProviderError(400, "too many images", retryable=False)))


def test_names_and_permissions_are_checked():
    other = Call("r1", "messages", "slow", BODY, CALL.raw, stream=False)
    with pytest.raises(ApiError, match="does not exist"):
        count(counting({}), other)
    with pytest.raises(ApiError) as caught:
        count(counting({}), key=Key(1, 1, "k", models=(("other",),)))
    assert caught.value.status == 403
    with pytest.raises(ApiError) as caught:
        count(counting({}), key=Key(1, 1, "k", endpoints=frozenset(["embeddings"])))
    assert caught.value.status == 403
