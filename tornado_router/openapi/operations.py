"""What each route does by each of its methods: one entry an operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tornado_router.handlers import accounts, admin, keys
from tornado_router.handlers.management import LARGEST_PAGE
from tornado_router.openapi.objects import COUNT, ID, TEXT, reference
from tornado_router.statistics import GROUPINGS, MAX_GROUPS
from tornado_router.validation import Validator
from tornado_router.validation.schema import Schema

JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path.

    Attributes:
        summary: what it does, in a few words.
        description: what else is to be known, as Markdown.
        body: schema of the JSON that it takes; None if it takes none.
        body_required: whether there has to be one.
        query: schemas of the parameters of its query, by name.
        answers: schemas of the good answer, by media type; none if it has no body.
        status: of the good answer.
        errors: statuses that not every operation has.
    """

    summary: str
    description: str = ""
    body: Schema | None = None
    body_required: bool = True
    query: Mapping[str, Schema] = field(default_factory=dict)
    answers: Mapping[str, Schema] = field(default_factory=dict)
    status: int = 200
    errors: tuple[int, ...] = ()


def _json(name: str) -> dict[str, Schema]:
    return {JSON: reference(name)}


def _body(validator: Validator) -> Schema:
    return validator.schema


_PAGE: dict[str, Schema] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": 20},
    "after": {**COUNT, "maximum": 10**15 - 1, "description": "`next` of the page before."},
}
_WHOSE: Schema = {**ID, "maximum": 10**15 - 1, "description": "Whose; for administrators."}
_MOMENT: Schema = {
    **TEXT,
    "description": "A day, a time with its zone (RFC 3339), or seconds since 1970.",
    "examples": ["2026-11-24"],
}

_CALL_ERRORS = (402, 403, 404, 408, 409, 422, 429, 502, 504)
"""A provider's own refusal keeps its status."""


def _call(endpoint: str, summary: str, description: str, *, streams: bool = False) -> Operation:
    answers = _json(f"{endpoint}.response")
    if streams:
        answers["text/event-stream"] = {
            **TEXT,
            "description": "With `stream`: events whose data is a chunk each, then `[DONE]`.",
            "contentMediaType": "text/event-stream",
        }
    return Operation(
        summary=summary,
        description=description,
        body=reference(f"{endpoint}.request"),
        answers=answers,
        errors=_CALL_ERRORS,
    )


OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "chat.completions": {
        "post": _call(
            "chat.completions",
            "Create a chat completion",
            "As of the OpenAI API, with any model of `GET /v1/models`. Chunks of a stream are "
            "`chat.completions.chunk`.",
            streams=True,
        )
    },
    "embeddings": {
        "post": _call("embeddings", "Create embeddings", "As of the OpenAI API."),
    },
    "models": {
        "get": Operation(summary="List the models that the key may use", answers=_json("ModelList"))
    },
    "model": {
        "get": Operation(
            summary="Describe a model",
            description="Its id may hold slashes.",
            answers=_json("Model"),
        )
    },
    "auth.register": {
        "post": Operation(
            summary="Register an account, and log in",
            body=_body(accounts.REGISTRATION),
            answers=_json("Session"),
            status=201,
            errors=(403, 409, 429),
        )
    },
    "auth.login": {
        "post": Operation(
            summary="Log in",
            body=_body(accounts.LOG_IN),
            answers=_json("Session"),
            errors=(401, 429),
        )
    },
    "auth.logout": {
        "post": Operation(
            summary="End every log-in of the account",
            body=_body(accounts.NOTHING),
            body_required=False,
            status=204,
        )
    },
    "auth.password": {
        "post": Operation(
            summary="Change the password",
            description="Ends every log-in, and gives a new one.",
            body=_body(accounts.NEW_PASSWORD),
            answers=_json("Session"),
            errors=(409, 429),
        )
    },
    "auth.profile": {
        "get": Operation(summary="Show the account", answers=_json("User")),
        "patch": Operation(
            summary="Change the account", body=_body(accounts.PROFILE), answers=_json("User")
        ),
        "delete": Operation(
            summary="Delete the account and its keys",
            body=_body(accounts.FAREWELL),
            status=204,
            errors=(409, 429),
        ),
    },
    "keys": {
        "get": Operation(
            summary="List API keys",
            query={**_PAGE, "user_id": _WHOSE},
            answers=_json("ApiKeyList"),
            errors=(404,),
        ),
        "post": Operation(
            summary="Make an API key",
            body=_body(keys.NEW),
            answers=_json("ShownApiKey"),
            status=201,
            errors=(403, 409),
        ),
    },
    "key": {
        "get": Operation(summary="Describe an API key", answers=_json("ApiKey")),
        "patch": Operation(
            summary="Change an API key",
            description="A null lifts a limit.",
            body=_body(keys.CHANGES),
            answers=_json("ApiKey"),
            errors=(403,),
        ),
        "delete": Operation(summary="Revoke an API key for good", status=204),
    },
    "key.rotate": {
        "post": Operation(
            summary="Give an API key another secret",
            body=_body(keys.ROTATION),
            body_required=False,
            answers=_json("ShownApiKey"),
        )
    },
    "usage": {
        "get": Operation(
            summary="Add up calls, and list them or groups of them",
            description="One's own calls; an administrator's are everybody's.",
            query={
                "from": {**_MOMENT, "description": f"{_MOMENT['description']} The first moment."},
                "to": {**_MOMENT, "description": "The moment behind the last."},
                "model": TEXT,
                "provider": TEXT,
                "key_id": {**ID, "maximum": 10**15 - 1},
                "user_id": _WHOSE,
                "group_by": {"type": "string", "enum": list(GROUPINGS)},
                "format": {"type": "string", "enum": ["json", "csv"]},
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_GROUPS,
                    "description": f"Of calls, {LARGEST_PAGE} at most.",
                },
                "after": _PAGE["after"],
            },
            answers={**_json("Usage"), "text/csv": TEXT},
            errors=(404,),
        )
    },
    "admin.users": {
        "get": Operation(
            summary="List users",
            query={
                **_PAGE,
                "search": {**TEXT, "description": "A part of the address or the name."},
                "plan": TEXT,
            },
            answers=_json("UserList"),
        ),
        "post": Operation(
            summary="Make a user",
            body=_body(admin.NEW_USER),
            answers=_json("User"),
            status=201,
            errors=(409,),
        ),
    },
    "admin.user": {
        "get": Operation(summary="Describe a user", answers=_json("User")),
        "patch": Operation(
            summary="Change a user",
            body=_body(admin.CHANGES),
            answers=_json("User"),
            errors=(409,),
        ),
        "delete": Operation(summary="Delete a user and their keys", status=204, errors=(409,)),
    },
    "admin.password": {
        "post": Operation(
            summary="Give a user another password",
            description="Ends their log-ins.",
            body=_body(admin.PASSWORD),
            status=204,
        )
    },
    "admin.credits": {
        "get": Operation(
            summary="List the changes of a user's credits",
            query=_PAGE,
            answers=_json("CreditEntryList"),
        ),
        "post": Operation(
            summary="Change a user's credits",
            body=_body(admin.ENTRY),
            answers=_json("Granted"),
            status=201,
            errors=(409,),
        ),
    },
    "admin.plans": {"get": Operation(summary="List the plans", answers=_json("PlanList"))},
    "admin.invites": {
        "get": Operation(summary="List invites", query=_PAGE, answers=_json("InviteList")),
        "post": Operation(
            summary="Make an invite",
            body=_body(admin.INVITE),
            body_required=False,
            answers=_json("ShownInvite"),
            status=201,
        ),
    },
    "admin.invite": {
        "delete": Operation(summary="Revoke an invite that nobody has used", status=204)
    },
    "admin.request_logs": {
        "get": Operation(
            summary="List calls whose requests and answers were kept",
            query={
                **_PAGE,
                "user_id": {**COUNT, "maximum": 10**15 - 1},
                "key_id": {**COUNT, "maximum": 10**15 - 1},
                "request_id": TEXT,
            },
            answers=_json("RequestLogList"),
        )
    },
    "admin.request_log": {
        "get": Operation(
            summary="Show what a call asked and was answered", answers=_json("RequestLog")
        ),
        "delete": Operation(summary="Delete what a call asked and was answered", status=204),
    },
    "health": {
        "get": Operation(
            summary="Tell how the router is, for load balancers", answers=_json("Health")
        )
    },
    "metrics": {"get": Operation(summary="Metrics for Prometheus", answers={"text/plain": TEXT})},
    "openapi": {
        "get": Operation(summary="This document", answers={JSON: {"type": "object"}}),
    },
    "docs": {"get": Operation(summary="This document, for people", answers={"text/html": TEXT})},
}
"""By the name of the route, and the method."""
