"""Several choices by a provider that has one: it is asked that many times at once.

A client sees one response, whose usage is that of all: the vendor bills the prompt each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, TypeVar

from tornado_router.endpoints.bridges.base import Server, rest_of
from tornado_router.provider import Body, Call, HTTPClient, Relayed, dump_json

MOST = 16
"""Choices that a provider is asked for in this way; what asks for more, it may refuse itself."""

_FAILED = "error"
"""The finish reason of a choice that failed, at OpenRouter and others: it is not whole."""

_IDENTITY = ("id", "created", "model", "system_fingerprint")
_T = TypeVar("_T")
_Batch = Sequence[Body] | Exception | None


class ManyChoices:
    """Serves chat completions with `n`, like a `Provider` that has it.

    If one of the calls fails, all do, and the others end.

    Args:
        server: has chat completions of one choice.

    Attributes:
        remembers: whether the server does.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.remembers: bool = server.remembers

    async def send(self, call: Call, http: HTTPClient) -> Body:
        """Serves a call whole. Raises as `Provider.send`."""
        calls = _each(call)
        tasks = [_task(index, self._server.send(one, http)) for index, one in enumerate(calls)]
        try:
            bodies = await asyncio.gather(*tasks)
        finally:
            await _end(tasks)
        _report_dropped(call, calls)
        return _joined(bodies)

    async def stream(self, call: Call, http: HTTPClient) -> AsyncGenerator[Sequence[Body], None]:
        """Serves a call as chunks, of each choice as they come. Raises as `Provider.stream`."""
        calls = _each(call)
        queue: asyncio.Queue[tuple[int, _Batch]] = asyncio.Queue(len(calls))
        tasks = [
            _task(index, self._pump(index, one, http, queue)) for index, one in enumerate(calls)
        ]
        numbering, left = _Numbering(), len(calls)
        try:
            while left:
                index, batch = await queue.get()
                if batch is None:
                    left -= 1
                    continue
                if isinstance(batch, Exception):
                    raise batch
                _report_dropped(call, calls)
                chunks = list(numbering.chunks(index, batch))
                if chunks:
                    yield chunks
        finally:
            await _end(tasks)
        if len(numbering.usages) == len(calls):
            yield [numbering.last()]

    async def _pump(
        self, index: int, call: Call, http: HTTPClient, queue: asyncio.Queue[tuple[int, _Batch]]
    ) -> None:
        """Puts the batches of one choice into the queue, and how they end: by None, or an error.

        The queue is short, so that the client's pace is the vendor's.
        """
        try:
            async with aclosing(self._server.stream(call, http)) as batches:
                async for batch in batches:
                    await queue.put((index, batch))
                    if any(map(_is_end, batch)):
                        break
                async for batch in rest_of(batches):
                    await queue.put((index, batch))
        except Exception as error:  # noqa: BLE001 - the attempt judges it
            await queue.put((index, error))
        else:
            await queue.put((index, None))


class _Numbering:
    """Makes the chunks of several streams those of one.

    Attributes:
        usages: that the streams reported, by their index.
    """

    def __init__(self) -> None:
        self.usages: dict[int, Mapping[str, Any]] = {}
        self._identity: dict[str, Any] = {}

    def chunks(self, index: int, batch: Sequence[Body]) -> Iterable[Body]:
        """The chunks of one stream as the one client gets them; usage comes last."""
        for chunk in batch:
            body = _body(chunk)
            self._identity = self._identity or _identity(body)
            if isinstance(body.get("usage"), Mapping):
                self.usages[index] = body["usage"]
            if body.get("choices"):
                choices = [{**choice, "index": index} for choice in body["choices"]]
                made = {**body, **self._identity, "choices": choices}
                made.pop("usage", None)
                yield made

    def last(self) -> Body:
        """The chunk with the usage of all."""
        usage = _sum(self.usages.values())
        return {
            **self._identity,
            "object": "chat.completion.chunk",
            "choices": [],
            "usage": usage,
        }


def _each(call: Call) -> list[Call]:
    """A call for each of the choices. What is drawn by a seed would be the same each time."""
    body = {name: value for name, value in call.body.items() if name != "n"}
    seed, calls = body.get("seed"), []
    for index in range(int(call.body["n"])):
        its_body = body if seed is None else {**body, "seed": seed + index}
        calls.append(replace(call, body=its_body, raw=dump_json(its_body), dropped=[]))
    return calls


def _joined(bodies: Sequence[Body]) -> Body:
    """The response with the choices of all, and their usage, if all have one."""
    read = [_body(body) for body in bodies]
    choices = [
        {**choice, "index": index}
        for index, body in enumerate(read)
        for choice in list(body.get("choices") or ())[:1]
    ]
    made = {**read[0], "choices": choices}
    made.pop("usage", None)
    usages = [body["usage"] for body in read if isinstance(body.get("usage"), Mapping)]
    return {**made, "usage": _sum(usages)} if len(usages) == len(read) else made


def _sum(usages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The usage of several calls: every number in it, at any depth."""
    total: dict[str, Any] = {}
    for usage in usages:
        for name, value in usage.items():
            known = total.get(name)
            if isinstance(value, Mapping):
                total[name] = _sum([known if isinstance(known, Mapping) else {}, value])
            elif isinstance(value, int | float) and not isinstance(value, bool):
                total[name] = value + (known if isinstance(known, int | float) else 0)
            else:
                total.setdefault(name, value)
    return total


def _body(body: Body) -> Mapping[str, Any]:
    return body.body if isinstance(body, Relayed) else body  # type: ignore[return-value]


def _is_end(chunk: Body) -> bool:
    """Whether the choice has ended: what goes wrong behind it spoils nothing."""
    reasons = (choice.get("finish_reason") for choice in _body(chunk).get("choices") or ())
    return any(reason and reason != _FAILED for reason in reasons)


def _identity(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in _IDENTITY if body.get(name)}


def _report_dropped(call: Call, calls: Sequence[Call]) -> None:
    for one in calls:
        call.dropped += [name for name in one.dropped if name not in call.dropped]


def _task(index: int, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
    return asyncio.get_running_loop().create_task(work, name=f"choice {index}")


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Ends what still runs, and waits until it has."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
