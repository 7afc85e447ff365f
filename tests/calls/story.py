"""A gateway before one scripted provider, and a client: what tests of whole calls share."""

import asyncio
import json
import time
from typing import ClassVar

import pytest

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.account import CallAccounts
from tornado_router.calls.admission import Admission
from tornado_router.calls.client import CACHE_DEFAULTS, Envelope
from tornado_router.calls.dispatch import Dispatcher
from tornado_router.calls.gateway import Gateway
from tornado_router.calls.response_cache import ResponseCache
from tornado_router.calls.stores import ProcessStore
from tornado_router.calls.tool_state import ToolState
from tornado_router.config.options import (
    CacheOptions,
    LimitsOptions,
    PriceOptions,
    PricingOptions,
    ProviderOptions,
    RequestLogOptions,
    RouteOptions,
    RoutingOptions,
)
from tornado_router.errors import ApiError, ProviderError
from tornado_router.ledger.request_log import RequestRecorder
from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import Demand, LimitReachedError, Purse
from tornado_router.limits.memory import MemoryLimiter
from tornado_router.observability.metrics import Metrics
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import Call, Provider
from tornado_router.routing.health import Health
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.prices import Prices
from tornado_router.routing.routes import Router
from tornado_router.routing.selection import Selection
from tornado_router.sse import Decoder

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
WHOLE = {"choices": [{"index": 0}], "usage": USAGE}
LAST = {"id": "c", "choices": [], "usage": USAGE}
KEY = Key(2, 1, "laptop")
LIMITED = Key(2, 1, "laptop", rates=(Rates("key:2", 100, 100_000, 1),))
PRICES = {"p/m1": PriceOptions(input=1.0, output=2.0)}  # 1,000 and 2,000 billionths a token

WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def paying(billionths):
    return Key(2, 1, "laptop", purses=(Purse("credits:1", billionths, 0),))


def chunk(content):
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": content}}]}


class Scripted(Provider):
    """A model in this process that plays a script: responses, errors, and `WAIT` for ever."""

    capabilities: ClassVar = {"chat.completions": ("stream", "n"), "audio.speech": ()}
    WAIT = "wait"
    dropped = ("seed",)

    def __init__(self, *script):
        super().__init__("p", {})
        self.script = script
        self.began = asyncio.Event()
        self.calls = 0
        self.closed = 0
        self.asked_for = []
        self.received = []
        self.refuses_bounds_of = None

    async def play(self, item):
        if item is self.WAIT:
            self.began.set()
            await asyncio.Event().wait()
        if isinstance(item, BaseException):
            raise item
        return item

    async def send(self, call, http):
        self.calls += 1
        call.dropped.extend(self.dropped)
        self.asked_for.append(call.model)
        self.received.append(call)
        bound = call.body.get("max_completion_tokens")
        if self.refuses_bounds_of and bound and bound >= self.refuses_bounds_of:
            raise ProviderError(400, f"max_tokens is too large: {bound}", type="t")
        return await self.play(self.script[0])

    async def stream(self, call, http):
        self.calls += 1
        call.dropped.extend(self.dropped)
        self.received.append(call)
        try:
            for item in self.script:
                yield await self.play(item)
        finally:
            self.closed += 1


class Books:
    """Stands for the ledger: what it was given, in order."""

    def __init__(self):
        self.begun = []
        self.notes = []
        self.added = []

    def begin(self, call):
        self.begun.append(call)

    def note(self, call):
        self.notes.append(call)

    def add(self, call):
        self.added.append(call)


class Reader:
    """A client that takes what it gets.

    Args:
        leaves_after: pieces that it takes before it closes the connection; None for all.
        on_piece: called with each piece that it takes.
    """

    def __init__(self, leaves_after=None, on_piece=lambda data: None):
        self.leaves_after = leaves_after
        self.on_piece = on_piece
        self.headers = None
        self.content_type = None
        self.is_stream = None
        self.pieces = []
        self.has_early_head = False
        self.has_end = False
        self.is_broken = False

    @property
    def begun(self):
        return bool(self.pieces)

    def keep_alive(self, comment, headers, content_type):
        def say():
            if self.headers is None:
                self.headers, self.content_type, self.is_stream = headers(), content_type, True
                self.has_early_head = True
            self.take(comment)

        self.say = say

    def await_end(self, seconds, give_up):
        self.give_up = give_up

    def begin(self, headers, content_type, *, stream):
        if self.has_early_head:
            return
        assert self.headers is None, "a response has one head"
        self.headers, self.content_type, self.is_stream = headers, content_type, stream

    async def write(self, data):
        assert data, "an empty write would end a chunked response"
        await asyncio.sleep(0)
        self.take(data)

    async def finish(self, data):
        await asyncio.sleep(0)
        assert not self.has_end, "a response has one end"
        self.take(data)
        self.has_end = True

    def abort(self):
        self.is_broken = True

    def take(self, data):
        if len(self.pieces) == self.leaves_after:
            raise ConnectionResetError
        self.pieces.append(data)
        self.on_piece(data)

    @property
    def body(self):
        return b"".join(self.pieces)

    @property
    def events(self):
        return Decoder().feed(self.body)


class World:
    """A gateway before one provider."""

    def __init__(self, *script, key=KEY, first=16, revoked=None, telemetry=None):
        self.stopping = False
        self.provider = Scripted(*script)
        self.finished = []
        self.key = key
        self.limiter = MemoryLimiter()
        self.bounds = OutputBounds(LimitsOptions(default_output_tokens=first))
        providers = {
            "p": ConfiguredProvider("p", ProviderOptions(type="t"), self.provider),
            "off": ConfiguredProvider("off", ProviderOptions(type="t"), off="api_key is empty"),
        }
        routes = {
            "fast": RouteOptions(targets=("p/m1",)),
            "dead": RouteOptions(targets=("off/m",)),
            "cached": RouteOptions(targets=("p/m1",), cache_seconds=60),
        }
        self.books = Books()
        self.metrics = Metrics()
        self.health = Health(RoutingOptions())
        prices = Prices(PRICES, PricingOptions(price_package=False), providers)
        self.accounts = CallAccounts(
            admission=Admission(self.limiter, prices, self.bounds, refuse_unpriced=True),
            ledger=self.books,
            recorder=RequestRecorder(None, RequestLogOptions()),
            metrics=self.metrics,
            observers={"a plugin": self.observe},
            telemetry=telemetry,
            is_revoked=revoked,
            is_stopping=lambda: self.stopping,
        )
        self.gateway = Gateway(
            Router(providers, routes),
            Selection({}, self.health, prices),
            ResponseCache(ProcessStore(10_000), CacheOptions(), {}),
            Dispatcher(
                providers,
                {"p": None},
                ToolState(ProcessStore(1000), 60),
                self.health,
                RoutingOptions(retries=0),
            ),
            self.accounts,
            prices=prices,
            stored=None,  # no endpoint of these stories keeps responses
            origins=None,
        )

    def observe(self, call):
        self.finished.append(call)

    async def run(
        self,
        *,
        stream=False,
        model="fast",
        control=CACHE_DEFAULTS,
        trace=None,
        chosen=None,
        client=None,
        endpoint="chat.completions",
        **fields,
    ):
        """Serves one call; returns its client."""
        messages = [{"role": "user", "content": "x" * 40}]
        body = {"model": model, "messages": messages, **fields}
        call = Call("req_1", endpoint, model, body, json.dumps(body).encode(), stream)
        envelope = Envelope(self.key, "client-7", time.monotonic(), chosen, control, trace)
        client = client or Reader()
        await self.gateway.run(call, envelope, client)
        return client

    def ask(self, **asked):
        return asyncio.run(self.run(**asked))

    def refused(self, **asked):
        with pytest.raises(ApiError) as caught:
            self.ask(**asked)
        assert self.finished[-1].error_code == (caught.value.code or caught.value.type)
        return caught.value

    def cancelled(self, *, stop=False, **asked):
        """Runs a call until its provider waits, and cancels it; returns what comes of it."""

        async def main():
            task = asyncio.get_running_loop().create_task(self.run(**asked), name="call")
            await self.provider.began.wait()
            self.stopping = stop
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            return outcome

        return asyncio.run(main())

    @property
    def account(self):
        """The one record of the call."""
        (finished,) = self.finished
        return finished

    @property
    def is_free(self):
        """Whether a call of `LIMITED` holds nothing any more."""

        async def main():
            try:
                await self.limiter.admit(Demand("other", (Rates("key:2", None, None, 1),)))
            except LimitReachedError:
                return False
            return True

        return asyncio.run(main())
