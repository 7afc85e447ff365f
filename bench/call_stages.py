"""What a whole call of 1 KB costs without sockets, and what each of its stages has of that."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from harness import bodies
from harness.component import Component, now
from harness.in_process import InProcessRouter, Nothing, in_process_router

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.attempts import Attempts
from tornado_router.calls.call_record import call_record
from tornado_router.calls.client import Envelope
from tornado_router.calls.costs import Costs
from tornado_router.calls.response_headers import target_headers
from tornado_router.endpoints import CHAT_COMPLETIONS
from tornado_router.http.response_headers import ResponseHeaders
from tornado_router.ledger import codec
from tornado_router.ledger.record import CallRecord, Charge, RunningCall
from tornado_router.ledger.usage_rows import UsageRows
from tornado_router.observability.attempt_record import AttemptRecord
from tornado_router.observability.log import _json_line
from tornado_router.provider import Call, Relayed
from tornado_router.routing.routes import Target
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.usage import Usage
from tornado_router.validation import parse_json

WHOLE_CALL = "whole call, without sockets and threads"

_CALLS_A_RUN = 20
_ROWS = 500
"""Calls of a batch: what comes together in a quarter of a second under load."""

_USAGE = Usage(212, 117)
RESPONSE = orjson.dumps(
    {
        "id": "chatcmpl-mock0123456789",
        "object": "chat.completion",
        "created": 1760000000,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "All of the text. " * 30},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 212, "completion_tokens": 117, "total_tokens": 329},
    }
)


def whole_call_components() -> Iterator[Component]:
    """The stages in the order of a call, then what threads do for it, then all of it."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        in_process_router(Path(folder), RESPONSE) as router,
    ):
        yield Component(
            "stage: handler, its task and its response",
            lambda: router.run(_CALLS_A_RUN, Nothing),
            units=_CALLS_A_RUN,
            in_call=True,
        )
        yield from _stages(router)
        yield from _in_threads(router.process)
        yield Component(
            WHOLE_CALL,
            lambda: router.run(_CALLS_A_RUN),
            units=_CALLS_A_RUN,
        )


def _stages(router: InProcessRouter) -> Iterator[Component]:
    """What the event loop does for a call, in this order."""
    process, raw, body = router.process, bodies.small(), parse_json(bodies.small())
    services = process.services
    validator = services.serving.validators[CHAT_COMPLETIONS.name]
    call = CHAT_COMPLETIONS.read("call", body, raw)
    router.run(1)  # finds the key
    key = services.authenticator.recall(router.authorization)
    assert key is not None, "a call was made with it"
    record, relayed = _record("call"), Relayed(orjson.loads(RESPONSE), RESPONSE)
    begun = RunningCall("call", "call", call.endpoint, 1, 1, "bench", "gpt-4o", stream=False)
    attempt = AttemptRecord("bench", "openai", "gpt-4o", answered=True)
    stages: dict[str, Callable[[], object]] = {
        "key": lambda: services.authenticator.recall(router.authorization),
        "parse": lambda: parse_json(raw),
        "validate": lambda: validator.check(body),
        "read": lambda: CHAT_COMPLETIONS.read("call", body, raw),
        **_gateway_stages(services.serving.gateway, call, key),
        "encode, read usage": lambda: CHAT_COMPLETIONS.whole(call, relayed),
        "journal: a call begins": lambda: process.ledger.begin(begun),
        "journal: it ends": lambda: process.ledger.add(record),
        "metrics": lambda: process.metrics.add(record, (attempt,), missed=False),
        "access log": lambda: process.access_log.add(record),
    }
    for name, run in stages.items():
        yield Component(f"stage: {name}", run, in_call=True)


def _gateway_stages(gateway: Any, call: Call, key: Key) -> dict[str, Callable[[], object]]:
    accounts, dispatcher = gateway._accounts, gateway._dispatcher
    admission, envelope = accounts.admission, Envelope(key, "call", time.monotonic())
    account = accounts.open(call, envelope)
    route = gateway._router.route(call.model, call.endpoint)
    targets: Sequence[Target] = route.targets
    served = accounts.open(call, envelope)
    served.permit = now(admission.admit(call, key, targets))
    served.attempts.made.append(now(dispatcher.send(call, targets, served.attempts)))

    def open_account() -> None:
        call_record(accounts.open(call, envelope), _USAGE, Charge())

    def head_response() -> None:
        made = Costs(gateway._prices, served).headers(_USAGE)
        headers = target_headers(targets[0], 1, served._begin_response())
        ResponseHeaders({}).put({**headers, **made})

    def admit_and_settle() -> None:
        permit = now(admission.admit(call, key, targets))
        permit.headers()
        admission.bill(permit, targets[0], _USAGE)
        admission.settle(permit, targets[0], _USAGE)

    return {
        "account: opened, and its record made": open_account,
        "look-up: route, permissions, cache": lambda: now(gateway._look_up(account)),
        "admit, charge, settle, limits in headers": admit_and_settle,
        "dispatch, build_request, parse_response": lambda: now(
            dispatcher.send(call, targets, Attempts(1, time.monotonic()))
        ),
        "costs and headers of the response": head_response,
    }


def _in_threads(process: RouterProcess) -> Iterator[Component]:
    """What is left for threads, which share the processor with the event loop."""
    numbers, rows = count(), UsageRows(process.storage)
    line = codec.encode_finished(_record("call"))
    records = [_record("")] * _ROWS
    yield Component("thread: a line of the log", lambda: _json_line(records[0]))
    yield Component(
        "thread: read the journal", lambda: codec.read_finished([line] * _ROWS), units=_ROWS
    )
    yield Component(
        "thread: write usage rows",
        lambda: rows.write([it._replace(call_id=f"bench-{next(numbers)}") for it in records]),
        units=_ROWS,
    )


def _record(call_id: str) -> CallRecord:
    """The record of a call as they are made here."""
    return CallRecord(
        call_id=call_id,
        request_id="req_18ecf8c7f4d3e43e4c3cd3d50009e9b1",
        endpoint=CHAT_COMPLETIONS.name,
        user_id=1,
        key_id=1,
        key_name="bench",
        model="gpt-4o",
        provider="bench",
        target_model="gpt-4o",
        stream=False,
        status=200,
        error_code=None,
        dropped_params=(),
        paid_from_credits=False,
        finished_at=time.time(),
        duration=0.0123,
        first_chunk=None,
        overhead=0.001,
        cache_hit=False,
        client_address="127.0.0.1",
        trace_id=None,
        internal_error=None,
        client="OpenAI/Python 2.8.1",
        session="",
        usage=_USAGE,
        charge=Charge(1_700_000, 0, '{"input":"2.5","output":"10"}'),
    )
