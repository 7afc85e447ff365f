"""Takes what calls cost from their users' credits, and never leaves a balance below zero."""

from __future__ import annotations

from collections.abc import Iterable

from loguru import logger

from tornado_router.ledger.record import CallRecord
from tornado_router.storage.tables import UsageLog, User
from tornado_router.storage.values import billionths, from_billionths


def take_credits(calls: Iterable[CallRecord]) -> list[CallRecord]:
    """Takes the cost of calls from the credits that pay for them; part of a transaction.

    Admission lets no call spend credits that are not there. But the balance may have been lowered
    since by a process that does not see what calls hold: the command line beside a router that
    keeps its limits in memory, or a router that was cut off from Redis. What is missing then is
    not charged.

    Returns:
        The calls, with what they were charged in the end.
    """
    calls = list(calls)
    costs: dict[int, int] = {}
    for call in calls:
        if call.paid_from_credits and call.charge.charged:
            costs[call.user_id] = costs.get(call.user_id, 0) + call.charge.charged
    short = {user_id for user_id in sorted(costs) if not _take(user_id, costs[user_id])}
    if not short:
        return calls
    left = {user_id: _take_rest(user_id, costs[user_id]) for user_id in sorted(short)}
    return [_reduced(call, left) if call.user_id in short else call for call in calls]


def _take(user_id: int, cost: int) -> bool:
    """Takes a cost, in billionths of a US dollar; False if the credits do not cover it."""
    amount = from_billionths(cost)
    covered = (User.id == user_id) & (User.credits >= amount)
    spending = {"credits": User.credits - amount, "spent": User.spent + amount}
    return bool(User.update(**spending).where(covered).execute())


def _take_rest(user_id: int, cost: int) -> int:
    """Takes all that there is, as it does not cover a cost; returns how much that is.

    The transaction is the only one that writes, so the credits are still those that were read.
    """
    user = User.get_or_none(User.id == user_id)
    if user is None:
        return cost  # there are no credits that it could be taken from
    left = billionths(user.credits)
    _take(user_id, left)
    missing = from_billionths(cost - left)
    logger.warning("calls of user {} cost {} US dollars more than the balance", user_id, missing)
    return left


def _reduced(call: CallRecord, left: dict[int, int]) -> CallRecord:
    """A call with as much of its charge as is left for it; the rest is `uncharged`."""
    charge = call.charge
    if not call.paid_from_credits or charge.charged <= left[call.user_id]:
        left[call.user_id] -= charge.charged if call.paid_from_credits else 0
        return call
    missing = charge.charged - left[call.user_id]
    left[call.user_id] = 0
    charge = charge._replace(charged=charge.charged - missing, uncharged=charge.uncharged + missing)
    UsageLog.update(
        cost=from_billionths(charge.charged), uncharged=from_billionths(charge.uncharged)
    ).where(UsageLog.call_id == call.call_id).execute()
    return call._replace(charge=charge)
