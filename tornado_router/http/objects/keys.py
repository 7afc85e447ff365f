"""API keys, and the plans of their owners: what bounds the calls of a caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from msgspec import UNSET, Meta, UnsetType

from tornado_router.accounts import budgets
from tornado_router.accounts.keys import MAX_GRACE_SECONDS
from tornado_router.accounts.permissions import Permissions
from tornado_router.accounts.plans import Plans
from tornado_router.http.objects.base import (
    Count,
    Dollars,
    Id,
    Object,
    Page,
    RequestBody,
    Time,
    dollars,
    timestamp,
)
from tornado_router.limits.kinds import KINDS
from tornado_router.storage import tables

Name = Annotated[str, Meta(description="For people to tell keys apart.")]
Models = Annotated[
    Sequence[str] | None,
    Meta(description="Names or patterns of the models it may use; null for all."),
]
EndpointNames = Annotated[
    Sequence[str] | None,
    Meta(description="The endpoints it may use, such as `chat.completions`; null for all."),
]
RPM = "Requests per minute; null for no limit."
TPM = "Tokens per minute; null for no limit."
IN_FLIGHT = "Concurrent calls; null for no limit."
BUDGET = "US dollars per period; null for no limit."
EXPIRES = "Unix time, in seconds; null if it never expires."
LOGGED = "Whether requests and responses are logged; null: the route decides."
Period = Annotated[
    str,
    Meta(description="`day`, `week`, `month` (in UTC), or `total`: the budget never resets."),
]
Works = Annotated[bool, Meta(description="Whether it works.")]


class ApiKey(Object, kw_only=True):
    """An API key, without its secret."""

    object: Literal["api_key"] = "api_key"
    id: Id
    user_id: Id
    name: Name
    prefix: Annotated[str, Meta(description="The beginning of the key, to recognise it by.")]
    models: Models
    endpoints: EndpointNames
    rpm: Annotated[Count | None, Meta(description=RPM)]
    tpm: Annotated[Count | None, Meta(description=TPM)]
    max_in_flight: Annotated[Count | None, Meta(description=IN_FLIGHT)]
    budget: Annotated[Dollars | None, Meta(description=BUDGET)]
    budget_period: Period
    budget_spent: Annotated[
        Dollars | None,
        Meta(description="Spent in the current period, in US dollars; null without a budget."),
    ]
    budget_left: Annotated[
        Dollars | None,
        Meta(description="Left in the current period, in US dollars; null without a budget."),
    ]
    budget_renews_at: Annotated[
        Time | None,
        Meta(description="Unix time at which the budget starts anew; null if it never does."),
    ]
    is_active: Works
    log_requests: Annotated[bool | None, Meta(description=LOGGED)]
    expires_at: Annotated[Time | None, Meta(description=EXPIRES)]
    last_used_at: Annotated[
        Time | None, Meta(description="Unix time, in seconds; null if it was never used.")
    ]
    created_at: Time
    previous_expires_at: Annotated[
        Time | None,
        Meta(description="Unix time until which the previous secret works; null if none does."),
    ]

    @classmethod
    def of(cls, row: tables.ApiKey, **more: Any) -> Self:
        """The object of a row. Blocks, as the spent part of the budget has to be looked up."""
        permissions = Permissions.read(row.permissions)
        budget = budgets.budget_state(row)
        return cls(
            id=row.id,
            user_id=row.user.id,
            name=row.name,
            prefix=row.prefix,
            models=permissions.models,
            endpoints=permissions.endpoints,
            **{kind.option: getattr(row, kind.column) for kind in KINDS},
            budget=dollars(row.budget),
            budget_period=row.budget_period,
            budget_spent=dollars(budget and budget.spent),
            budget_left=dollars(budget and budget.left),
            budget_renews_at=timestamp(budget and budget.renews),
            is_active=row.is_active,
            log_requests=row.log_requests,
            expires_at=timestamp(row.expires_at),
            last_used_at=timestamp(row.last_used_at),
            created_at=timestamp(row.created_at),
            previous_expires_at=timestamp(row.previous_expires_at),
            **more,
        )


class ApiKeyList(Page[ApiKey], kw_only=True):
    """One page of API keys."""


class ApiKeyWithSecret(ApiKey, kw_only=True):
    """A new API key, or one with a new secret."""

    key: Annotated[str, Meta(description="The key itself. Shown only once.")]


class KeyFields(RequestBody, kw_only=True):
    """What may be set of an API key; a null lifts a limit."""

    models: Models | UnsetType = UNSET
    endpoints: EndpointNames | UnsetType = UNSET
    expires_at: Annotated[int | UnsetType | None, Meta(description=EXPIRES)] = UNSET
    rpm: Annotated[int | UnsetType | None, Meta(description=RPM)] = UNSET
    tpm: Annotated[int | UnsetType | None, Meta(description=TPM)] = UNSET
    max_in_flight: Annotated[int | UnsetType | None, Meta(description=IN_FLIGHT)] = UNSET
    budget: Annotated[int | float | str | UnsetType | None, Meta(description=BUDGET)] = UNSET
    budget_period: Period | UnsetType = UNSET
    log_requests: Annotated[
        bool | UnsetType | None, Meta(description=f"{LOGGED} For administrators.")
    ] = UNSET


class NewApiKey(KeyFields, kw_only=True):
    """An API key to create."""

    name: Name


class ApiKeyChanges(KeyFields, kw_only=True):
    """Changes of an API key; fields that are left out stay as they are."""

    name: Name | UnsetType = UNSET
    is_active: Works | UnsetType = UNSET


class Rotation(RequestBody, kw_only=True):
    """How the secret of a key is replaced."""

    grace_seconds: Annotated[
        Annotated[int, Meta(ge=0, le=MAX_GRACE_SECONDS)] | None,
        Meta(description="For how long the previous secret works."),
    ] = None


class Plan(Object, kw_only=True):
    """A plan of router.toml."""

    object: Literal["plan"] = "plan"
    name: str
    is_default: bool
    credits: Annotated[
        Dollars | None,
        Meta(
            description="What a new account starts with, in US dollars; null if the plan has no "
            "credits."
        ),
    ]
    rpm: Count | None
    tpm: Count | None
    max_in_flight: Count | None
    models: Sequence[str] | None

    @classmethod
    def of(cls, name: str, plans: Plans) -> Self:
        """The object of a plan that is there."""
        plan = plans.all()[name]
        return cls(
            name=name,
            is_default=name == plans.default,
            credits=None if plan.credits is None else dollars(plans.first_credits(name)),
            **{kind.option: getattr(plan, kind.option) for kind in KINDS},
            models=plan.models,
        )


class PlanList(Object, kw_only=True):
    """All plans."""

    object: Literal["list"] = "list"
    data: list[Plan]
    has_more: Annotated[bool, Meta(description="Always false.")] = False
    next: Annotated[Id | None, Meta(description="Always null.")] = None
