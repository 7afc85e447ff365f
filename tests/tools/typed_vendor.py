"""A vendor that knows OpenAI's API by the types of its SDK alone: it checks and answers by them."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import threading
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from aiohttp import web
from openai import Omit, OpenAI
from openai.types import ImagesResponse
from pydantic import TypeAdapter, ValidationError

from tools.sdk_methods import SdkMethod, method_of
from tools.sdk_values import value_of

KEY = "sk-vendor-typed-8d2b6c1f"


class TypedVendor:
    """The vendor, in a thread of its own.

    Args:
        methods: that it knows.

    Attributes:
        url: of its API, with `/v1`.
        seen: the names of the SDK's methods that its requests were.
        faults: what was wrong with requests.
        content: of every file.
    """

    def __init__(self, methods: list[SdkMethod]) -> None:
        self._methods = methods
        self.seen: list[set[str]] = []
        self.faults: list[str] = []
        self.content = b"bytes"
        self._client = OpenAI(api_key="none", admin_api_key="none")
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> TypedVendor:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        app = web.Application()
        app.router.add_route("*", "/v1{path:.*}", self._serve)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _serve(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        methods = [one for one in self._methods if _is(one, request.method, path)]
        self.seen.append({one.name for one in methods})
        if not methods or request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"message": f"no {path}"}}, status=404)
        raw = await request.read()
        if request.content_type == "application/json" and raw:
            self._check(methods, json.loads(raw))
        if methods[0].response is type(None):
            return web.Response(status=204)
        try:
            answer = value_of(methods[0].response)
        except TypeError:
            return web.Response(body=self.content, content_type="application/octet-stream")
        if methods[0].response is ImagesResponse:  # its types require none, but its users do
            answer["data"] = [{"b64_json": "aGk="}]
        if "id" in getattr(methods[0].response, "model_fields", ()):
            answer["id"] = f"id_{secrets.token_hex(12)}"
        return web.json_response(answer)

    def _check(self, methods: list[SdkMethod], body: dict) -> None:
        """Notes what the SDK's types would not let through, by all methods of this request."""
        faults = [_fault(method_of(self._client, one.name), body) for one in methods]
        if all(faults):
            self.faults += [f"{methods[0].name}: {faults[0]}"]


def _is(method: SdkMethod, verb: str, path: str) -> bool:
    pattern = re.sub(r"\{\w+\}", "[^/]+", method.path)
    return method.verb == verb and re.fullmatch(pattern, path.rstrip("/")) is not None


def _fault(method: Callable, body: dict) -> str:
    hints = _hints(method.__func__)
    for name, value in body.items():
        if name not in hints:
            return f"there is no {name}"
        try:
            _adapter(hints[name]).validate_python(value)
        except ValidationError as error:
            return f"{name}: {error}"
    return ""


@lru_cache(1000)
def _hints(function: Callable) -> dict[str, Any]:
    return typing.get_type_hints(function)


@lru_cache(1000)  # some of these types take a second
def _adapter(hint: Any) -> TypeAdapter:
    types = typing.get_args(hint)
    if Omit in types:
        hint = typing.Union[tuple(it for it in types if it is not Omit)]  # noqa: UP007
    return TypeAdapter(hint)
