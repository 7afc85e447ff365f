"""The API key that a request was sent with, as its holder may see it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal, Self

from msgspec import Meta

from tornado_router.accounts import budgets
from tornado_router.accounts.permissions import Permissions
from tornado_router.accounts.plans import Plans
from tornado_router.http.objects.base import Count, Object
from tornado_router.limits.kinds import KINDS
from tornado_router.storage import tables

Amount = Annotated[float, Meta(description="US dollars, as a number.")]

_RESETS: dict[str, Literal["daily", "weekly", "monthly"]] = {
    "day": "daily",
    "week": "weekly",
    "month": "monthly",
}
"""The periods of budgets that begin anew, in OpenRouter's words."""


class RateLimits(Object, kw_only=True):
    """Limits on calls; null for none."""

    rpm: Annotated[Count | None, Meta(description="Requests per minute.")]
    tpm: Annotated[Count | None, Meta(description="Tokens per minute.")]
    max_in_flight: Annotated[Count | None, Meta(description="Concurrent calls.")]


class KeyInUse(Object, kw_only=True):
    """A key without its secret; up to `expires_at`, fields have the names that OpenRouter uses."""

    label: Annotated[str, Meta(description="The key's name.")]
    limit: Annotated[Amount | None, Meta(description="The key's budget; null for none.")]
    limit_remaining: Annotated[
        Amount | None, Meta(description="Left of the budget in the current period.")
    ]
    limit_reset: Annotated[
        Literal["daily", "weekly", "monthly"] | None,
        Meta(description="How often the budget starts anew, in UTC; null if it never does."),
    ]
    usage: Annotated[Amount, Meta(description="What all calls of the key cost.")]
    usage_daily: Annotated[Amount, Meta(description="The same of today, in UTC.")]
    usage_weekly: Annotated[Amount, Meta(description="The same since Monday.")]
    usage_monthly: Annotated[Amount, Meta(description="The same of this month.")]
    expires_at: Annotated[
        str | None, Meta(description="By RFC 3339, when it stops working; null for never.")
    ]
    credits_remaining: Annotated[
        Amount | None,
        Meta(description="Left of the account's credits; null if its plan has none."),
    ]
    models: Annotated[
        Sequence[str] | None,
        Meta(description="Names or patterns of the models it may use; null for all of the plan's."),
    ]
    endpoints: Annotated[
        Sequence[str] | None, Meta(description="The endpoints it may use; null for all.")
    ]
    rate_limits: Annotated[RateLimits, Meta(description="Of this key.")]
    plan_rate_limits: Annotated[
        RateLimits, Meta(description="Of the account's plan, for all its keys together.")
    ]

    @classmethod
    def of(cls, row: tables.ApiKey, plans: Plans, shown: str) -> Self:
        """The object of a key. Blocks, as what was spent has to be looked up.

        Args:
            row: of the key.
            plans: of the deployment.
            shown: the digest that it was found by: a secret that was replaced ends sooner.
        """
        plan = plans.get(row.user.plan)
        budget = budgets.budget_state(row)
        spent = budgets.spent_by_period(row.id)
        permissions = Permissions.read(row.permissions)
        ends = [row.expires_at, None if shown == row.key_hash else row.previous_expires_at]
        return cls(
            label=row.name,
            limit=_amount(row.budget),
            limit_remaining=_amount(budget and budget.left),
            limit_reset=_RESETS.get(row.budget_period) if budget else None,
            usage=float(spent["total"]),
            usage_daily=float(spent["day"]),
            usage_weekly=float(spent["week"]),
            usage_monthly=float(spent["month"]),
            expires_at=_rfc_3339(min((end for end in ends if end), default=None)),
            credits_remaining=float(row.user.credits)
            if plan and plan.credits is not None
            else None,
            models=permissions.models,
            endpoints=permissions.endpoints,
            rate_limits=RateLimits(**{it.option: getattr(row, it.column) for it in KINDS}),
            plan_rate_limits=RateLimits(
                **{it.option: getattr(plan, it.option, None) for it in KINDS}
            ),
        )


class KeyInUseResponse(Object, kw_only=True):
    """The key, as OpenRouter wraps it."""

    data: KeyInUse


def _amount(dollars: Decimal | None) -> float | None:
    return None if dollars is None else float(dollars)


def _rfc_3339(moment: datetime.datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None
