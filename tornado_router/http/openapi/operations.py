"""What each route does by each of its methods: one entry an operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tornado_router.endpoints import EMBEDDINGS, ENDPOINTS, Endpoint
from tornado_router.http.handlers import accounts, admin, keys
from tornado_router.http.handlers.management import LARGEST_PAGE
from tornado_router.http.openapi.objects import (
    COUNT,
    ID,
    OBJECTS,
    TEXT,
    event_name,
    reference,
    schema_name,
)
from tornado_router.ledger.usage_queries import GROUPINGS, MAX_GROUPS
from tornado_router.validation import Validator
from tornado_router.validation.schema import Schema

JSON = "application/json"

VENDOR = "4XX"
"""Stands for whatever status a vendor chooses for its own refusal."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path.

    Attributes:
        summary: what it does, in a few words.
        description: what else to know, as Markdown.
        body: schema of the JSON that it takes; None if it takes none.
        body_required: whether a body has to be sent.
        examples: bodies to send, by their titles.
        query: schemas of its query parameters, by name.
        answers: schemas of the successful response, by media type; none if it has no body.
        status: of the successful response.
        headers: of the successful response, beside those of every one.
        errors: statuses that not every operation has.
    """

    summary: str
    description: str = ""
    body: Schema | None = None
    body_required: bool = True
    examples: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Schema] = field(default_factory=dict)
    answers: Mapping[str, Schema] = field(default_factory=dict)
    status: int = 200
    headers: tuple[str, ...] = ()
    errors: tuple[int | str, ...] = ()


def _json(name: str) -> dict[str, Schema]:
    return {JSON: reference(name)}


def _body(validator: Validator, name: str = "") -> Schema:
    """The schema of a body; what a field means is said where the object of that name has it."""
    schema = validator.schema
    described = OBJECTS[name]["properties"] if name else {}
    properties = {
        key: {**_description(described.get(key, {})), **value}
        for key, value in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _description(schema: Schema) -> Schema:
    return {"description": schema["description"]} if "description" in schema else {}


_PAGE: dict[str, Schema] = {
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": LARGEST_PAGE,
        "default": 20,
        "description": "The most items to return.",
    },
    "after": {**COUNT, "maximum": 10**15 - 1, "description": "`next` of the previous page."},
}
_ANY_ID: Schema = {**COUNT, "maximum": 10**15 - 1}
_USER_ID: Schema = {
    **ID,
    "maximum": 10**15 - 1,
    "description": "Another user's, for administrators.",
}
_TIMES = "A date, a time with its zone (RFC 3339), or Unix time."


def _moment(which: str, example: str) -> Schema:
    return {**TEXT, "description": f"{which} {_TIMES}", "examples": [example]}


def _call(endpoint: Endpoint) -> Operation:
    documentation = endpoint.documentation
    answers = _json(schema_name(f"{endpoint.name}.response"))
    if documentation.chunk:
        answers["text/event-stream"] = reference(event_name(endpoint))
    return Operation(
        summary=documentation.summary,
        description=documentation.description,
        body=reference(schema_name(f"{endpoint.name}.request")),
        examples=documentation.examples,
        answers=answers,
        errors=(403, 404, 429, 502, 504, VENDOR),
    )


OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    **{name: {"post": _call(endpoint)} for name, endpoint in ENDPOINTS.items()},
    "models": {
        "get": Operation(summary="List the models the key may use", answers=_json("ModelList"))
    },
    "model": {
        "get": Operation(
            summary="Get a model",
            description="The id may contain slashes.",
            answers=_json("Model"),
        )
    },
    "auth.register": {
        "post": Operation(
            summary="Register an account and log in",
            description="Open, by invite, or closed, as `registration` in `[auth]` says.",
            body=_body(accounts.REGISTRATION),
            examples={
                "An account": {
                    "email": "ada@example.com",
                    "password": "correct horse battery",
                    "name": "Ada",
                },
                "By invite": {
                    "email": "ada@example.com",
                    "password": "correct horse battery",
                    "invite": "the code of the invite",
                },
            },
            answers=_json("Session"),
            status=201,
            errors=(403, 409, 429),
        )
    },
    "auth.login": {
        "post": Operation(
            summary="Log in",
            body=_body(accounts.LOG_IN),
            examples={"Log in": {"email": "ada@example.com", "password": "correct horse battery"}},
            answers=_json("Session"),
            errors=(401, 429),
        )
    },
    "auth.logout": {
        "post": Operation(
            summary="Log out everywhere",
            description="Ends all of the account's log-ins.",
            body=_body(accounts.NOTHING),
            body_required=False,
            status=204,
        )
    },
    "auth.password": {
        "post": Operation(
            summary="Change the password",
            description="Ends all of the account's log-ins and returns a new one.",
            body=_body(accounts.NEW_PASSWORD),
            examples={
                "Change": {
                    "current_password": "correct horse battery",
                    "new_password": "staple battery horse",
                }
            },
            answers=_json("Session"),
            errors=(409, 429),
        )
    },
    "auth.profile": {
        "get": Operation(summary="Get the account", answers=_json("User")),
        "patch": Operation(
            summary="Change the account",
            body=_body(accounts.PROFILE),
            examples={"Rename": {"name": "Ada Lovelace"}},
            answers=_json("User"),
        ),
        "delete": Operation(
            summary="Delete the account and its keys",
            body=_body(accounts.FAREWELL),
            examples={"Confirm": {"password": "correct horse battery"}},
            status=204,
            errors=(409, 429),
        ),
    },
    "keys": {
        "get": Operation(
            summary="List API keys",
            query={**_PAGE, "user_id": _USER_ID},
            answers=_json("ApiKeyList"),
            errors=(404,),
        ),
        "post": Operation(
            summary="Create an API key",
            description="The response is the only one that shows the key.",
            body=_body(keys.NEW, "ApiKey"),
            examples={
                "A key": {"name": "laptop"},
                "With a budget": {
                    "name": "chatbot",
                    "budget": 25,
                    "budget_period": "month",
                    "rpm": 60,
                },
                "For some models": {
                    "name": "search",
                    "models": ["text-embedding-*"],
                    "endpoints": [EMBEDDINGS.name],
                    "expires_at": 1924992000,
                },
            },
            answers=_json("ApiKeyWithSecret"),
            status=201,
            errors=(403, 409),
        ),
    },
    "key": {
        "get": Operation(summary="Get an API key", answers=_json("ApiKey")),
        "patch": Operation(
            summary="Change an API key",
            description="Fields that are left out stay as they are; null removes a limit.",
            body=_body(keys.CHANGES, "ApiKey"),
            examples={
                "Limits": {"rpm": 120, "budget": None},
                "Disable": {"is_active": False},
            },
            answers=_json("ApiKey"),
            errors=(403,),
        ),
        "delete": Operation(summary="Revoke an API key permanently", status=204),
    },
    "key.rotate": {
        "post": Operation(
            summary="Rotate an API key's secret",
            description="The previous secret works for another `grace_seconds`.",
            body=_body(keys.ROTATION),
            body_required=False,
            examples={"With an hour's grace": {"grace_seconds": 3600}},
            answers=_json("ApiKeyWithSecret"),
        )
    },
    "usage": {
        "get": Operation(
            summary="Report usage and cost",
            description="Covers the account's own calls; for administrators, everybody's.",
            query={
                "from": _moment(
                    "Start of the period, by default 30 days before `to`.", "2026-11-01"
                ),
                "to": _moment("End of the period, exclusive, by default now.", "2026-12-01"),
                "model": {**TEXT, "description": "Only calls of this model, as requested."},
                "provider": {**TEXT, "description": "Only calls that this provider served."},
                "key_id": {**ID, "maximum": 10**15 - 1, "description": "Only calls of this key."},
                "user_id": _USER_ID,
                "group_by": {
                    "type": "string",
                    "enum": list(GROUPINGS),
                    "description": "Return sums of groups in place of calls; `user` is for "
                    "administrators.",
                },
                "format": {"type": "string", "enum": ["json", "csv"], "default": "json"},
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_GROUPS,
                    "description": f"The most groups to return, or calls (at most {LARGEST_PAGE}, "
                    "by default 20).",
                },
                "after": _PAGE["after"],
            },
            answers={**_json("Usage"), "text/csv": TEXT},
            headers=("Content-Disposition",),
            errors=(404,),
        )
    },
    "admin.users": {
        "get": Operation(
            summary="List users",
            query={
                **_PAGE,
                "search": {**TEXT, "description": "Part of the address or name."},
                "plan": {**TEXT, "description": "Only users on this plan."},
            },
            answers=_json("UserList"),
        ),
        "post": Operation(
            summary="Create a user",
            description="Without a password, the user cannot log in until one is set.",
            body=_body(admin.NEW_USER, "User"),
            examples={"A user": {"email": "ada@example.com", "name": "Ada", "plan": "free"}},
            answers=_json("User"),
            status=201,
            errors=(409,),
        ),
    },
    "admin.user": {
        "get": Operation(summary="Get a user", answers=_json("User")),
        "patch": Operation(
            summary="Change a user",
            description="Fields that are left out stay as they are.",
            body=_body(admin.CHANGES, "User"),
            examples={"Another plan": {"plan": "team"}, "Disable": {"is_active": False}},
            answers=_json("User"),
            errors=(409,),
        ),
        "delete": Operation(summary="Delete a user and their keys", status=204, errors=(409,)),
    },
    "admin.password": {
        "post": Operation(
            summary="Set a user's password",
            description="Ends all of the user's log-ins.",
            body=_body(admin.PASSWORD),
            examples={"A password": {"new_password": "staple battery horse"}},
            status=204,
        )
    },
    "admin.credits": {
        "get": Operation(
            summary="List a user's credit entries",
            description="Newest first.",
            query=_PAGE,
            answers=_json("CreditEntryList"),
        ),
        "post": Operation(
            summary="Add or remove credits",
            description="A negative amount removes them.",
            body=_body(admin.ENTRY, "CreditEntry"),
            examples={
                "A top-up": {"amount": "10.00", "kind": "top_up", "reason": "Invoice 2026-117"},
                "A correction": {"amount": -2.5, "kind": "adjust", "reason": "Charged twice"},
            },
            answers=_json("CreditEntryWithUser"),
            status=201,
            errors=(409,),
        ),
    },
    "admin.plans": {"get": Operation(summary="List plans", answers=_json("PlanList"))},
    "admin.invites": {
        "get": Operation(
            summary="List invites",
            description="Newest first.",
            query=_PAGE,
            answers=_json("InviteList"),
        ),
        "post": Operation(
            summary="Create an invite",
            description="The response is the only one that shows the code.",
            body=_body(admin.INVITE, "Invite"),
            body_required=False,
            examples={
                "For one address": {
                    "email": "ada@example.com",
                    "plan": "free",
                    "expires_in": 604800,
                }
            },
            answers=_json("InviteWithCode"),
            status=201,
        ),
    },
    "admin.invite": {"delete": Operation(summary="Revoke an unused invite", status=204)},
    "admin.request_logs": {
        "get": Operation(
            summary="List logged requests",
            description="Newest first, without their bodies.",
            query={
                **_PAGE,
                "user_id": {**_ANY_ID, "description": "Only calls of this user."},
                "key_id": {**_ANY_ID, "description": "Only calls of this key."},
                "request_id": {**TEXT, "description": "Only calls with this `x-request-id`."},
            },
            answers=_json("RequestLogList"),
        )
    },
    "admin.request_log": {
        "get": Operation(summary="Get a logged request", answers=_json("RequestLog")),
        "delete": Operation(summary="Delete a logged request", status=204),
    },
    "health": {
        "get": Operation(
            summary="Check the router's health",
            description="200 as long as it serves; for load balancers and for a first look.",
            answers=_json("Health"),
        )
    },
    "metrics": {
        "get": Operation(summary="Get metrics for Prometheus", answers={"text/plain": TEXT})
    },
    "openapi": {
        "get": Operation(
            summary="Get this API's OpenAPI document",
            answers={JSON: {"type": "object"}},
            headers=("ETag", "Revalidate"),
            errors=(304, 404),
        ),
    },
    "docs": {
        "get": Operation(
            summary="Show this API's reference as a page",
            answers={"text/html": TEXT},
            headers=("ETag", "Revalidate"),
            errors=(304, 404),
        )
    },
}
"""By the name of the route, and the method."""
