"""JSON Schemas of what the router's own endpoints return; OpenAI's objects are in `schemas/`."""

from __future__ import annotations

import re
from typing import Any

from tornado_router.endpoints import Endpoint
from tornado_router.usage import QUANTITIES_AND_TOTAL
from tornado_router.validation.schema import Schema

ID: Schema = {"type": "integer", "minimum": 1}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
TIME: Schema = {"type": "integer", "description": "Unix time, in seconds."}
DOLLARS: Schema = {
    "type": "string",
    "description": "US dollars, as a string, so that no digit is lost.",
    "examples": ["0.003171"],
}


def schema_name(name: str) -> str:
    """The component's name for a file of `schemas/` or one of its definitions, in PascalCase."""
    words = re.split(r"[._]", re.sub(r"_params?\.", ".", name))
    return "".join(word[:1].upper() + word[1:] for word in words)


def reference(name: str) -> Schema:
    """A reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def event_name(endpoint: Endpoint) -> str:
    """The component's name for the events of an endpoint's streams."""
    return schema_name(f"{endpoint.name}.event")


def stream_event(endpoint: Endpoint) -> Schema:
    """One server-sent event of a stream."""
    chunk = endpoint.documentation.chunk
    data = {"type": "string", "contentMediaType": "application/json"}
    return {
        "type": "object",
        "description": "One server-sent event of a stream.",
        "required": ["data"],
        "properties": {
            "event": {
                "type": "string",
                "description": "`error` if the call failed after its first chunk, else absent.",
            },
            "data": {
                "description": "A chunk as JSON; `[DONE]` at the end of a complete stream; or the "
                "error that ended it.",
                "anyOf": [
                    {**data, "contentSchema": reference(schema_name(chunk))},
                    {**data, "contentSchema": reference("Error")},
                    {"type": "string", "const": "[DONE]"},
                ],
            },
        },
    }


def nullable(schema: Schema, why: str = "") -> Schema:
    """The schema, or null."""
    described = {"description": why} if why else {}
    return {**schema, "type": [schema["type"], "null"], **described}


def array(items: Schema, **more: Any) -> Schema:
    """A list of them."""
    return {"type": "array", "items": items, **more}


def record(**properties: Schema) -> Schema:
    """An object that has all of these fields."""
    return {"type": "object", "required": list(properties), "properties": properties}


def kind(name: str) -> Schema:
    """The value of the field `object`."""
    return {"type": "string", "const": name}


def page_of(name: str, **more: Schema) -> Schema:
    """One page of a list."""
    return record(
        object=kind("list"),
        data=array(reference(name)),
        has_more=FLAG,
        next=nullable(ID, "Pass it as `after` to get the next page; null on the last page."),
        **more,
    )


def _extended(schema: Schema, **properties: Schema) -> Schema:
    return record(**schema["properties"], **properties)


_USER = record(
    object=kind("user"),
    id=ID,
    email=TEXT,
    name=TEXT,
    plan={**TEXT, "description": "A plan of router.toml."},
    credits=nullable(DOLLARS, "What is left, in US dollars; null if the plan has no credits."),
    spent=DOLLARS,
    is_admin={**FLAG, "description": "Whether they are an administrator."},
    is_active={**FLAG, "description": "Whether they can log in and their keys work."},
    created_at=TIME,
)

_API_KEY = record(
    object=kind("api_key"),
    id=ID,
    user_id=ID,
    name={**TEXT, "description": "For people to tell keys apart."},
    prefix={**TEXT, "description": "The beginning of the key, to recognise it by."},
    models=nullable(array(TEXT), "Names or patterns of the models it may use; null for all."),
    endpoints=nullable(
        array(TEXT), "The endpoints it may use, such as `chat.completions`; null for all."
    ),
    rpm=nullable(COUNT, "Requests per minute; null for no limit."),
    tpm=nullable(COUNT, "Tokens per minute; null for no limit."),
    max_in_flight=nullable(COUNT, "Concurrent calls; null for no limit."),
    budget=nullable(DOLLARS, "US dollars per period; null for no limit."),
    budget_period={
        **TEXT,
        "description": "`day`, `week`, `month` (in UTC), or `total`: the budget never resets.",
    },
    budget_spent=nullable(
        DOLLARS, "Spent in the current period, in US dollars; null without a budget."
    ),
    is_active={**FLAG, "description": "Whether it works."},
    log_requests=nullable(
        FLAG, "Whether requests and answers are logged; null: the route decides."
    ),
    expires_at=nullable(TIME, "Unix time, in seconds; null if it never expires."),
    last_used_at=nullable(TIME, "Unix time, in seconds; null if it was never used."),
    created_at=TIME,
    previous_expires_at=nullable(
        TIME, "Until when the previous secret works, as Unix time; null if it does not."
    ),
)

_CREDIT_ENTRY = record(
    object=kind("credit_entry"),
    id=ID,
    amount={**DOLLARS, "description": "US dollars; negative if they were removed."},
    balance={**DOLLARS, "description": "US dollars after this entry."},
    kind={**TEXT, "description": "Such as `top_up` or `adjust`."},
    reason={**TEXT, "description": "Why, for people."},
    actor={**TEXT, "description": "Who made this entry."},
    created_at=TIME,
)

_INVITE = record(
    object=kind("invite"),
    id=ID,
    email=nullable(TEXT, "The only address that may use it; null for any."),
    plan=nullable(TEXT, "The plan of the account; null for the default one."),
    created_by=TEXT,
    created_at=TIME,
    expires_at=TIME,
    used_at=nullable(TIME),
    used_by=nullable(ID, "The user who registered with it."),
)

_KEPT = record(
    object=kind("request_log"),
    id=ID,
    call_id=TEXT,
    request_id=TEXT,
    user_id=ID,
    key_id=ID,
    endpoint=TEXT,
    model=TEXT,
    status=COUNT,
    request_bytes=COUNT,
    response_bytes=COUNT,
    created_at=TIME,
)

_SUMS = {
    "requests": COUNT,
    "errors": COUNT,
    **dict.fromkeys(QUANTITIES_AND_TOTAL, COUNT),
    "cost": DOLLARS,
}

_CALL = record(
    id=ID,
    call_id={**TEXT, "description": "The router's own id for the call."},
    request_id={**TEXT, "description": "The `x-request-id` of the response."},
    created_at=TIME,
    endpoint=TEXT,
    model={**TEXT, "description": "As the client requested it."},
    provider=nullable(TEXT, "The provider that served it; null if none did."),
    target_model=nullable(TEXT, "The provider's own name for the model."),
    key_id=nullable(ID),
    user_id=ID,
    stream=FLAG,
    status=COUNT,
    error_code=nullable(TEXT),
    **dict.fromkeys(QUANTITIES_AND_TOTAL, COUNT),
    usage_estimated={
        **FLAG,
        "description": "Whether the tokens are an estimate, as the provider reported none.",
    },
    cache_hit={**FLAG, "description": "Whether it was answered from the cache."},
    cost=DOLLARS,
    uncharged={
        **DOLLARS,
        "description": "Cost that nobody was charged for: beyond the last credits, or of a "
        "hedged attempt.",
    },
    prices=nullable({"type": "object"}, "The prices that the cost was computed from."),
    duration_ms=nullable(NUMBER),
    first_chunk_ms=nullable(NUMBER, "Milliseconds until the first chunk of a stream."),
)

_GROUP = {
    **record(**_SUMS),
    "properties": {
        "day": TEXT,
        "model": nullable(TEXT),
        "provider": nullable(TEXT),
        "key_id": nullable(ID),
        "key_name": nullable(TEXT),
        "user_id": nullable(ID),
        "email": nullable(TEXT),
        **_SUMS,
    },
}

_TARGET = record(
    provider=TEXT,
    model=TEXT,
    state=TEXT,
    failures=COUNT,
    seconds_left={**NUMBER, "description": "Seconds until it is tried again."},
    calls=COUNT,
    first_byte_ms=nullable(NUMBER),
)

OBJECTS: dict[str, Schema] = {
    "Error": record(
        error=record(
            message={**TEXT, "description": "What is wrong, for people."},
            type=TEXT,
            param=nullable(TEXT, "The field at fault, such as `messages[1].content`."),
            code=nullable(TEXT, "What is wrong, for programs."),
        )
    ),
    "Model": record(id=TEXT, object=kind("model"), created=TIME, owned_by=TEXT),
    "ModelList": record(object=kind("list"), data=array(reference("Model"))),
    "User": _USER,
    "UserList": page_of("User"),
    "Session": record(
        user=reference("User"),
        token={**TEXT, "description": "Send it as `Authorization: Bearer TOKEN`."},
        token_type={"type": "string", "const": "Bearer"},
        expires_at=TIME,
    ),
    "ApiKey": _API_KEY,
    "ApiKeyList": page_of("ApiKey"),
    "ApiKeyWithSecret": _extended(
        _API_KEY, key={**TEXT, "description": "The key itself. Shown only once."}
    ),
    "Call": _CALL,
    "UsageGroup": _GROUP,
    "Usage": {
        **page_of("Call", **{"from": NUMBER, "to": NUMBER, "totals": record(**_SUMS)}),
        "description": "`data` lists calls, or groups of them with `group_by`; `totals` cover "
        "every matching call.",
    },
    "CreditEntry": _CREDIT_ENTRY,
    "CreditEntryList": page_of("CreditEntry"),
    "CreditEntryWithUser": _extended(_CREDIT_ENTRY, user=reference("User")),
    "Plan": record(
        object=kind("plan"),
        name=TEXT,
        is_default=FLAG,
        credits=nullable(
            DOLLARS,
            "What a new account starts with, in US dollars; null if the plan has no credits.",
        ),
        rpm=nullable(COUNT),
        tpm=nullable(COUNT),
        max_in_flight=nullable(COUNT),
        models=nullable(array(TEXT)),
    ),
    "PlanList": page_of("Plan"),
    "Invite": _INVITE,
    "InviteList": page_of("Invite"),
    "InviteWithCode": _extended(
        _INVITE, code={**TEXT, "description": "The code to register with. Shown only once."}
    ),
    "RequestLogEntry": _KEPT,
    "RequestLogList": page_of("RequestLogEntry"),
    "RequestLog": _extended(
        _KEPT,
        request={
            **TEXT,
            "description": "The body as received, redacted; only its beginning if it was long.",
        },
        response={
            **TEXT,
            "description": "The body as sent, likewise; for a stream, its text joined.",
        },
    ),
    "Health": record(
        status={"type": "string", "enum": ["ok", "stopping"]},
        version=TEXT,
        database={"type": "string", "enum": ["ok", "away"]},
        redis={"type": "string", "enum": ["ok", "away", "off"]},
        providers={"type": "object", "additionalProperties": {"type": "object"}},
        targets=array(_TARGET),
        calls=COUNT,
        loop_lag_ms=NUMBER,
        ledger_bytes=COUNT,
        broken_plugins={"type": "object", "additionalProperties": TEXT},
    ),
}
OBJECTS["Usage"]["properties"]["data"]["items"] = {
    "anyOf": [reference("Call"), reference("UsageGroup")]
}
