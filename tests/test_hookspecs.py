"""The hooks, each with a tiny plugin that uses it."""

import asyncio
import inspect
import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import ClassVar

import orjson
import pytest
from loguru import logger

from tornado_router import hookspecs
from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.client import Envelope
from tornado_router.hookspecs import RequestFinished
from tornado_router.plugins.registry import load_plugins
from tornado_router.provider import Call, Provider, hookimpl
from tornado_router.runtime.loaded_config import load_config
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.storage.storage import Storage

HOOKS = [name for name, hook in vars(hookspecs).items() if hasattr(hook, "tornado_router_spec")]


class Yes(Provider):
    """Agrees."""

    capabilities: ClassVar = {"chat.completions": ()}

    async def send(self, call, http):
        return {
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        }


class Reader:
    """A client that reads its response."""

    data = b""
    begun = False

    def keep_alive(self, comment, headers, content_type):
        pass

    def await_end(self, seconds, give_up):
        pass

    def begin(self, headers, content_type, *, stream):
        pass

    async def write(self, data):
        self.data += data

    finish = write


@pytest.fixture
def logged():
    lines = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="ERROR")
    yield lines
    logger.remove(sink)


@pytest.fixture
def world(tmp_path, monkeypatch, place):
    """Serves one call with some plugins, and gives what the client got."""

    def world(**plugins):
        found = []
        for name, hooks in plugins.items():
            module = ModuleType(f"fake_{name}")
            vars(module).update(hooks, TORNADO_ROUTER_API=1)
            monkeypatch.setitem(sys.modules, module.__name__, module)
            found.append(EntryPoint(name, module.__name__, "tornado_router"))
        (tmp_path / "router.toml").write_text('[providers.p]\ntype = "yes"\nmodels = ["m"]\n')
        loaded = load_config(tmp_path / "router.toml", {}, load_plugins(found))

        async def serve():
            router = RouterProcess(loaded, Storage(place.location))
            body = {"model": "m", "messages": [{"role": "user", "content": "my secret prompt"}]}
            call = Call("req_1", "chat.completions", "m", body, orjson.dumps(body), False)
            gateway = router.services.serving.gateway
            client = Reader()
            await gateway.run(call, Envelope(Key(2, 1, "laptop"), "client-7", 0.0), client)
            await router.close()
            return orjson.loads(client.data)["choices"][0]["message"]["content"]

        return asyncio.run(serve())

    return world


@hookimpl
def register_providers():
    return {"yes": Yes}


OFFERS = {"register_providers": register_providers}


def test_hook_register_providers(world):
    assert world(acme=OFFERS) == "yes"


def test_hook_request_finished(world):
    heard = []

    @hookimpl
    def request_finished(event):
        heard.append(event)

    world(acme=OFFERS, listener={"request_finished": request_finished})
    (event,) = heard
    assert isinstance(event, RequestFinished)
    assert (event.call_id, event.request_id, event.key_name) == ("req_1", "client-7", "laptop")
    assert (event.provider, event.target_model, event.status) == ("p", "m", 200)
    assert (event.prompt_tokens, event.completion_tokens) == (3, 1)
    assert "my secret prompt" not in repr(event)


def test_every_listener_is_told_and_one_that_raises_does_no_harm(world, logged):
    heard = []

    @hookimpl
    def fails(event):
        raise KeyError("my secret")

    @hookimpl
    def request_finished(event):
        heard.append(event.call_id)

    answer = world(
        acme=OFFERS,
        one={"request_finished": request_finished},
        two={"request_finished": fails},
        three={"request_finished": request_finished},
    )
    assert answer == "yes"
    assert heard == ["req_1", "req_1"]
    assert logged == ["the plugin two raised KeyError in a call"]


def test_a_listener_need_not_take_the_event(world, logged):
    heard = []

    @hookimpl
    def request_finished():
        heard.append("something")

    world(acme=OFFERS, listener={"request_finished": request_finished})
    assert heard == ["something"]
    assert logged == []


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_a_test_and_says_when_it_is_called(name):
    assert f"test_hook_{name}" in globals()
    assert "alled" in inspect.getdoc(getattr(hookspecs, name))


def test_there_are_hooks():
    assert {"register_providers", "request_finished"} <= set(HOOKS)


def test_every_field_of_an_event_is_documented():
    documented = [line.strip() for line in RequestFinished.__doc__.splitlines()]
    for name in RequestFinished._fields:
        assert any(line.startswith(f"{name}: ") for line in documented)
