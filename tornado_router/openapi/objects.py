"""JSON Schemas of what the router's own endpoints answer; OpenAI's objects are in `schemas/`."""

from __future__ import annotations

from typing import Any

from tornado_router.validation.schema import Schema

ID: Schema = {"type": "integer", "minimum": 1}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
TIME: Schema = {"type": "integer", "description": "Seconds since 1970."}
DOLLARS: Schema = {
    "type": "string",
    "description": "US dollars, as text, so that no digit is lost.",
    "examples": ["0.003171"],
}


def reference(name: str) -> Schema:
    """Of one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema, why: str = "") -> Schema:
    """The schema, or null."""
    described = {"description": why} if why else {}
    return {**schema, "type": [schema["type"], "null"], **described}


def array(items: Schema, **more: Any) -> Schema:
    """A list of such things."""
    return {"type": "array", "items": items, **more}


def record(**properties: Schema) -> Schema:
    """An object with all of these fields."""
    return {"type": "object", "required": list(properties), "properties": properties}


def kind(name: str) -> Schema:
    """What the field `object` says."""
    return {"type": "string", "const": name}


def page_of(name: str, **more: Schema) -> Schema:
    """One page of a list."""
    return record(
        object=kind("list"),
        data=array(reference(name)),
        has_more=FLAG,
        next=nullable(ID, "What to give as `after` for the next page; null behind the last."),
        **more,
    )


def _extended(schema: Schema, **properties: Schema) -> Schema:
    return record(**schema["properties"], **properties)


_USER = record(
    object=kind("user"),
    id=ID,
    email=TEXT,
    name=TEXT,
    plan=TEXT,
    credits=nullable(DOLLARS, "What is left, in US dollars; null where the plan has no credits."),
    spent=DOLLARS,
    is_admin=FLAG,
    is_active=FLAG,
    created_at=TIME,
)

_API_KEY = record(
    object=kind("api_key"),
    id=ID,
    user_id=ID,
    name=TEXT,
    prefix={**TEXT, "description": "How the key begins, to tell it from others."},
    models=nullable(array(TEXT), "Names or patterns of models; null for all."),
    endpoints=nullable(array(TEXT), "Such as `chat.completions`; null for all."),
    rpm=nullable(COUNT, "Requests in a minute; null without a limit."),
    tpm=nullable(COUNT, "Tokens in a minute; null without a limit."),
    max_in_flight=nullable(COUNT, "Calls at once; null without a limit."),
    budget=nullable(DOLLARS, "US dollars in each period; null without a limit."),
    budget_period=TEXT,
    budget_spent=nullable(DOLLARS, "Of the budget, in this period."),
    is_active=FLAG,
    log_requests=nullable(FLAG, "Whether requests and answers are kept; null: the route says."),
    expires_at=nullable(TIME),
    last_used_at=nullable(TIME),
    created_at=TIME,
    previous_expires_at=nullable(TIME, "Until when the secret before the last rotation works."),
)

_CREDIT_ENTRY = record(
    object=kind("credit_entry"),
    id=ID,
    amount=DOLLARS,
    balance={**DOLLARS, "description": "US dollars after this change."},
    kind=TEXT,
    reason=TEXT,
    actor={**TEXT, "description": "Who changed them."},
    created_at=TIME,
)

_INVITE = record(
    object=kind("invite"),
    id=ID,
    email=nullable(TEXT, "Whom it is for; null for anybody."),
    plan=nullable(TEXT, "Of the account; null for the default one."),
    created_by=TEXT,
    created_at=TIME,
    expires_at=TIME,
    used_at=nullable(TIME),
    used_by=nullable(ID, "The user that was made with it."),
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
    "prompt_tokens": COUNT,
    "completion_tokens": COUNT,
    "total_tokens": COUNT,
    "cached_tokens": COUNT,
    "cache_write_tokens": COUNT,
    "reasoning_tokens": COUNT,
    "cost": DOLLARS,
}

_CALL = record(
    id=ID,
    call_id={**TEXT, "description": "The router's own id of the call."},
    request_id={**TEXT, "description": "The `x-request-id` of the answer."},
    created_at=TIME,
    endpoint=TEXT,
    model={**TEXT, "description": "As the client asked for it."},
    provider=nullable(TEXT, "Which served it; null if none did."),
    target_model=nullable(TEXT, "As the provider calls it."),
    key_id=nullable(ID),
    user_id=ID,
    stream=FLAG,
    status=COUNT,
    error_code=nullable(TEXT),
    prompt_tokens=COUNT,
    completion_tokens=COUNT,
    total_tokens=COUNT,
    cached_tokens=COUNT,
    cache_write_tokens=COUNT,
    reasoning_tokens=COUNT,
    usage_estimated={**FLAG, "description": "Whether the provider did not tell its tokens."},
    cache_hit={**FLAG, "description": "Whether it was answered from the cache."},
    cost=DOLLARS,
    uncharged={**DOLLARS, "description": "What it cost beyond the money that was there."},
    prices=nullable({"type": "object"}, "The prices that its cost was computed with."),
    duration_ms=nullable(NUMBER),
    first_chunk_ms=nullable(NUMBER, "Until the first chunk of a stream."),
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
    seconds_left={**NUMBER, "description": "For how long it is left out."},
    calls=COUNT,
    first_byte_ms=nullable(NUMBER),
)

OBJECTS: dict[str, Schema] = {
    "Error": record(
        error=record(
            message={**TEXT, "description": "One sentence for a person."},
            type=TEXT,
            param=nullable(TEXT, "The field at fault, such as `messages[1].content`."),
            code=nullable(TEXT, "The reason, for programs."),
        )
    ),
    "Model": record(id=TEXT, object=kind("model"), created=TIME, owned_by=TEXT),
    "ModelList": record(object=kind("list"), data=array(reference("Model"))),
    "User": _USER,
    "UserList": page_of("User"),
    "Session": record(
        user=reference("User"),
        token={**TEXT, "description": "Show it as `Authorization: Bearer TOKEN`."},
        token_type={"type": "string", "const": "Bearer"},
        expires_at=TIME,
    ),
    "ApiKey": _API_KEY,
    "ApiKeyList": page_of("ApiKey"),
    "ShownApiKey": _extended(_API_KEY, key={**TEXT, "description": "The key. Shown this once."}),
    "Call": _CALL,
    "Group": _GROUP,
    "Usage": {
        **page_of("Call", **{"from": NUMBER, "to": NUMBER, "totals": record(**_SUMS)}),
        "description": "Without `group_by`, `data` has calls; with it, groups of them.",
    },
    "CreditEntry": _CREDIT_ENTRY,
    "CreditEntryList": page_of("CreditEntry"),
    "Granted": _extended(_CREDIT_ENTRY, user=reference("User")),
    "Plan": record(
        object=kind("plan"),
        name=TEXT,
        is_default=FLAG,
        credits=nullable(DOLLARS, "What a new account starts with; null without credits."),
        rpm=nullable(COUNT),
        tpm=nullable(COUNT),
        max_in_flight=nullable(COUNT),
        models=nullable(array(TEXT)),
    ),
    "PlanList": page_of("Plan"),
    "Invite": _INVITE,
    "InviteList": page_of("Invite"),
    "ShownInvite": _extended(_INVITE, code={**TEXT, "description": "Shown this once."}),
    "RequestLogEntry": _KEPT,
    "RequestLogList": page_of("RequestLogEntry"),
    "RequestLog": _extended(
        _KEPT,
        request={**TEXT, "description": "As it came, redacted; its start, if it was long."},
        response={**TEXT, "description": "The same; of a stream, its texts put together."},
    ),
    "Health": record(
        status={"type": "string", "enum": ["ok", "stopping"]},
        version=TEXT,
        providers={"type": "object", "additionalProperties": {"type": "object"}},
        targets=array(_TARGET),
        calls=COUNT,
        loop_lag_ms=NUMBER,
        ledger_bytes=COUNT,
        broken_plugins={"type": "object", "additionalProperties": TEXT},
    ),
}
OBJECTS["Usage"]["properties"]["data"]["items"] = {"anyOf": [reference("Call"), reference("Group")]}
