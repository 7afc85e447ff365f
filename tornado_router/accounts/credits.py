"""Credits: change and list them, and hold what is taken away. The errors are `ApiError`.

A balance is never below 0. What is taken away is first reserved in the limiter, as a call is, so
that nothing is taken which calls in progress hold. A process that cannot see the leases of a
router relies on the database alone; see `ledger.charging` and decision 17.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Literal

from tornado_router.accounts.text import MAX_REASON, clean_text, parse_dollars
from tornado_router.accounts.users import find_user
from tornado_router.config.options import MAX_DOLLARS
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError
from tornado_router.limits.holders import HolderKind
from tornado_router.limits.limiter import (
    Demand,
    Limiter,
    LimiterAwayError,
    LimitReachedError,
    Purse,
)
from tornado_router.storage.storage import transaction
from tornado_router.storage.tables import CreditEntry, User
from tornado_router.storage.values import billionths, dollar_text

EntryKind = Literal["plan", "top_up", "adjust"]
"""`plan` is what an account starts with."""


def change(user_id: int, amount: Decimal, kind: EntryKind, reason: str, actor: str) -> CreditEntry:
    """Changes a user's credits, and writes down who did it and why.

    Args:
        user_id: whose.
        amount: US dollars; below 0 to take some away.
        kind: `top_up` puts in; `adjust` may do either.
        reason: as it was typed.
        actor: who does it: an administrator's e-mail address, or `cli`.

    Returns:
        The entry, with the credits behind it as its `balance`.

    Raises:
        ApiError: 400, an amount or reason that cannot be used; 404, there is no such user; 409,
            it would leave less than nothing, or more than can be counted.
    """
    amount = parse_dollars(amount)
    if kind == "top_up" and amount <= 0:
        raise Invalid.invalid_value("A top-up must be more than 0.", param="amount")
    if not amount:
        raise Invalid.invalid_value("'amount' must not be 0.", param="amount")
    reason = clean_text(reason, "reason", MAX_REASON)
    if not reason:
        raise Invalid.empty_string(param="reason", limit=1)
    with transaction():
        find_user(user_id)
        return book(user_id, amount, kind, reason, actor)


def list_entries(user_id: int, limit: int = 20, after: int | None = None) -> list[CreditEntry]:
    """The changes of a user's credits, newest first, and one more than `limit` if there are more.

    Raises:
        ApiError: 404, there is no such user.
    """
    find_user(user_id)
    query = CreditEntry.select().where(CreditEntry.user == user_id)
    if after is not None:
        query = query.where(CreditEntry.id < after)
    return list(query.order_by(CreditEntry.id.desc()).limit(limit + 1))


@asynccontextmanager
async def held(
    limiter: Limiter, user: User, amount: Decimal, in_batches: int = 0
) -> AsyncIterator[None]:
    """Reserves credits that are about to be taken away, so that no call spends them meanwhile.

    Args:
        limiter: knows what calls in progress hold.
        user: whose credits they are, as read a moment ago.
        amount: US dollars; nothing is reserved if it is not above 0.
        in_batches: what batches hold of them, in billionths of a US dollar.

    Raises:
        ApiError: 409, there is not so much, or calls in progress hold it; 503, the limits are
            unavailable.
    """
    if amount <= 0:
        yield
        return
    try:
        left = purse(user)
        left = left._replace(allowance=left.allowance - in_batches)
        lease = await limiter.admit(Demand("", (), (left,), cost=billionths(amount)))
    except LimitReachedError:
        if user.credits < amount:
            raise _beyond_bounds(user.credits, -amount) from None
        raise Refusal.credits_reserved() from None
    except LimiterAwayError:
        raise Refusal.limits_unavailable() from None
    try:
        yield
    finally:
        limiter.settle(lease, 0, 0)


def book(user_id: int, amount: Decimal, kind: str, reason: str, actor: str) -> CreditEntry:
    """Changes the credits of a user who is there by one statement, and adds the entry."""
    has_room = (User.credits >= -amount) & (User.credits <= MAX_DOLLARS - amount)
    changed = (
        User.update(credits=User.credits + amount).where(User.id == user_id, has_room).execute()
    )
    balance = User.get_by_id(user_id).credits
    if not changed:
        raise _beyond_bounds(balance, amount)
    return CreditEntry.create(
        user=user_id, amount=amount, balance=balance, kind=kind, reason=reason, actor=actor
    )


def _beyond_bounds(balance: Decimal, amount: Decimal) -> ApiError:
    if amount < 0:
        return Refusal.credits_below_zero(balance=dollar_text(balance))
    return Refusal.credits_above_max(limit=MAX_DOLLARS)


def purse(user: User) -> Purse:
    """The purse of a user's credits."""
    spent = billionths(user.spent)
    return Purse(HolderKind.CREDITS.id(user.id), billionths(user.credits) + spent, spent)
