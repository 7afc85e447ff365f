"""Some scripted providers behind a dispatcher: what tests of attempts and of dispatch share."""

import asyncio
import time
from contextlib import aclosing
from typing import ClassVar

import orjson
import pytest

from tornado_router.calls.attempts import Attempts
from tornado_router.calls.dispatch import Dispatcher
from tornado_router.calls.stores import ProcessStore
from tornado_router.calls.tool_state import ToolState
from tornado_router.config.options import ProviderOptions, RoutingOptions
from tornado_router.errors import ApiError, ProviderError
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import Call, Provider
from tornado_router.routing.health import Health
from tornado_router.routing.routes import Target

SECRET = "sk-hunter2"
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
ANSWER = {"choices": []}


class Scripted(Provider):
    """A model in this process: gives or raises what it was told, and remembers what was asked."""

    capabilities: ClassVar = {"chat.completions": ("stream",)}

    def __init__(self, name, *script):
        super().__init__(name, {})
        self.script = list(script)
        self.calls = []
        self.closed = 0

    async def send(self, call, http):
        self.calls.append(call)
        await asyncio.sleep(0)
        return self.play(self.script.pop(0))

    async def stream(self, call, http):
        self.calls.append(call)
        try:
            for item in self.script:
                await asyncio.sleep(0)
                yield self.play(item)
        finally:
            self.closed += 1

    @staticmethod
    def play(item):
        if isinstance(item, BaseException):
            raise item
        return item


class Gated(Scripted):
    """Responds once it is let."""

    def __init__(self, name, *script):
        super().__init__(name, *script)
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()
        self.cancelled = 0

    async def send(self, call, http):
        await self.wait()
        return await super().send(call, http)

    async def stream(self, call, http):
        await self.wait()
        async with aclosing(super().stream(call, http)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def wait(self):
        self.asked.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


class Slow(Scripted):
    """Never responds."""

    async def send(self, call, http):
        self.calls.append(call)
        await asyncio.Event().wait()

    async def stream(self, call, http):
        self.calls.append(call)
        await asyncio.Event().wait()
        yield


def call(stream=False):
    body = {"model": "fast", "messages": [{"role": "user", "content": "my secret prompt"}]}
    return Call("r1", "chat.completions", "fast", body, orjson.dumps(body), stream)


async def read(attempt):
    """Every batch of a stream."""
    async with aclosing(attempt):
        batches = [attempt.first]
        while (batch := await attempt.next()) is not None:
            batches.append(batch)
    return batches


class World:
    """Some providers, and a call that goes to each in turn as `NAME/m-NAME`."""

    def __init__(self, *providers, memory=None, routing=None, **options):
        self.health = Health(routing or RoutingOptions())
        common = ProviderOptions(type="t", **options)
        self.targets = [Target(item.name, f"m-{item.name}") for item in providers]
        self.attempts = Attempts(user_id=1, started=time.monotonic())
        self.dispatcher = Dispatcher(
            {
                item.name: ConfiguredProvider(item.name, common, item, secrets=(SECRET,))
                for item in providers
            },
            {item.name: None for item in providers},
            memory or ToolState(ProcessStore(1000), 60),
            self.health,
            routing or RoutingOptions(retries=0),
        )

    async def send(self, call, hedge_seconds=None):
        return await self.dispatcher.send(call, self.targets, self.attempts, hedge_seconds)

    def ask(self, hedge_seconds=None):
        return asyncio.run(self.send(call(), hedge_seconds)).body

    def stream(self):
        """Every batch of a stream; of one that fails, those before, and the error."""

        async def main():
            attempt = await self.send(call(stream=True))
            try:
                return await read(attempt)
            except ApiError as error:
                return [attempt.first, error]

        return asyncio.run(main())

    def refused(self, stream=False, hedge_seconds=None):
        with pytest.raises(ApiError) as caught:
            asyncio.run(self.send(call(stream), hedge_seconds))
        return caught.value

    @property
    def tried(self):
        return [attempt.target.provider for attempt in self.attempts.made]

    @property
    def decisive(self):
        return self.attempts.target.provider

    @property
    def outrun(self):
        return [target.provider for target in self.attempts.outrun]

    @property
    def outcomes(self):
        """Of each attempt: whether a response began, and the failure."""
        return [
            (record.answered, record.status, record.error_code) for record in self.attempts.records
        ]


def failure(status=500, message="It broke.", retryable=True, **fields):
    return ProviderError(status, message, retryable=retryable, **fields)
