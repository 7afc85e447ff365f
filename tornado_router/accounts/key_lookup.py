"""Finds the API key with a digest, and what its calls are held to."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from loguru import logger

from tornado_router.accounts import credits
from tornado_router.accounts.batch_holds import held_of_key, held_of_user
from tornado_router.accounts.budgets import period, spent_since
from tornado_router.accounts.permissions import Permissions
from tornado_router.accounts.plans import Plans
from tornado_router.config.options import PlanOptions
from tornado_router.error_codes import Refusal
from tornado_router.limits.holders import HolderKind
from tornado_router.limits.kinds import KINDS, Rates
from tornado_router.limits.limiter import Purse
from tornado_router.storage.tables import ApiKey, User
from tornado_router.storage.values import billionths, now


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may be used, whose it is, and what it is held to.

    Attributes:
        id: row of `api_keys`.
        user_id: row of `users`.
        name: the name its owner gave it.
        digest: what it is looked up by.
        models: lists of patterns, the key's and its plan's; a model has to match one of each.
        endpoints: that it may be used for; None for any.
        rates: of the key and of its user.
        purses: that its calls are paid from.
        log_requests: whether what it asks and is answered is kept; None if others decide.
        plan: name of its user's plan.
        plan_models: the patterns of the plan, or None if it permits any model.
        is_admin: whether its user is an administrator.
        until: seconds since 1970 from which on it has to be looked up anew, or None.
    """

    id: int
    user_id: int
    name: str
    digest: str = ""
    models: tuple[tuple[str, ...], ...] = ()
    endpoints: frozenset[str] | None = None
    rates: tuple[Rates, ...] = ()
    purses: tuple[Purse, ...] = ()
    log_requests: bool | None = None
    plan: str = ""
    plan_models: tuple[str, ...] | None = None
    is_admin: bool = False
    until: float | None = None


def find_key(key_hash: str, plans: Plans) -> Key | None:
    """The key with a digest if it may be used now, or None. Blocks.

    Raises:
        ApiError: 403, its owner is on a plan that router.toml does not have.
    """
    moment = now()
    is_previous = (ApiKey.previous_hash == key_hash) & (ApiKey.previous_expires_at > moment)
    row = (
        ApiKey.select(ApiKey, User)
        .join(User)
        .where(
            (ApiKey.key_hash == key_hash) | is_previous,
            ApiKey.is_active,
            ApiKey.revoked_at.is_null(),
            ApiKey.expires_at.is_null() | (ApiKey.expires_at > moment),
            User.is_active,
        )
        .first()
    )
    if row is None:
        return None
    plan = plans.get(row.user.plan)
    if plan is None:
        logger.error("user {} is on the plan {!r}, which is not there", row.user_id, row.user.plan)
        raise Refusal.unknown_plan()
    return _key(row, plan, key_hash, moment)


def digest_of(key_id: int) -> str | None:
    """What a key is looked up by, be it good or not; None if it is not there any more. Blocks."""
    row = ApiKey.select(ApiKey.key_hash).where(ApiKey.id == key_id).first()
    return row.key_hash if row else None


def payer_of(key_id: int, plans: Plans) -> Key | None:
    """A key by its row, whether it may still be used or not: it pays for what it has begun. Blocks.

    Args:
        key_id: its row.
        plans: of users.

    Returns:
        None if it is not there any more, nor its user's plan.
    """
    row = ApiKey.select(ApiKey, User).join(User).where(ApiKey.id == key_id).first()
    plan = plans.get(row.user.plan) if row else None
    return _key(row, plan, row.key_hash, now()) if row and plan else None


def _key(row: Any, plan: PlanOptions, key_hash: str, moment: datetime.datetime) -> Key:
    permissions = Permissions.read(row.permissions)
    ends: list[datetime.datetime | None] = [row.expires_at]
    if row.key_hash != key_hash:
        ends.append(row.previous_expires_at)
    purses = []
    if plan.credits is not None:
        purses.append(_without(credits.purse(row.user), held_of_user(row.user_id)))
    if row.budget is not None:
        first, following = period(row.budget_period, moment)
        budget = Purse(
            HolderKind.BUDGET.id(row.id, first),
            billionths(row.budget),
            spent_since(row.id, first),
            row.budget_period,
            str(following or ""),
        )
        purses.append(_without(budget, held_of_key(row.user_id, row.id)))
        if following:
            ends.append(datetime.datetime.combine(following, datetime.time()))
    rates = (
        Rates(HolderKind.KEY.id(row.id), *(getattr(row, kind.column) for kind in KINDS)),
        Rates(HolderKind.USER.id(row.user_id), *(getattr(plan, kind.option) for kind in KINDS)),
    )
    return Key(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        digest=key_hash,
        models=tuple(
            patterns
            for patterns in (permissions.models, plan.models)
            if patterns is not None and "*" not in patterns
        ),
        log_requests=row.log_requests,
        plan=row.user.plan,
        plan_models=None if "*" in plan.models else plan.models,
        is_admin=row.user.is_admin,
        endpoints=None if permissions.endpoints is None else frozenset(permissions.endpoints),
        rates=tuple(one for one in rates if one.bounds),
        purses=tuple(purses),
        until=min((_timestamp(end) for end in ends if end), default=None),
    )


def _without(purse: Purse, held: int) -> Purse:
    """A purse without what batches hold of it."""
    return purse._replace(allowance=purse.allowance - held) if held else purse


def _timestamp(moment: datetime.datetime) -> float:
    return moment.replace(tzinfo=datetime.UTC).timestamp()
