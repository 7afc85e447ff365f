"""Takes what calls cost from their users' credits, and never leaves a balance below zero."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from loguru import logger

from tornado_router.ledger.record import CallRecord
from tornado_router.storage.tables import CreditEntry, User
from tornado_router.storage.values import from_billionths

ACTOR = "ledger"
REASON = "calls cost more than the balance"


def take_credits(calls: Iterable[CallRecord]) -> None:
    """Takes the cost of calls from the credits that pay for them; part of a transaction.

    Admission lets no call spend credits that are not there. But the balance may have been lowered
    since by a process that does not see what calls hold: the command line beside a router that
    keeps its limits in memory, or a router that was cut off from Redis. What is missing then is
    written off: an entry puts it in, so that credits, entries and charges still add up.
    """
    costs: dict[int, int] = {}
    for call in calls:
        if call.paid_from_credits and call.charge.charged:
            costs[call.user_id] = costs.get(call.user_id, 0) + call.charge.charged
    for user_id in sorted(costs):
        cost = from_billionths(costs[user_id])
        covered = (User.id == user_id) & (User.credits >= cost)
        spending = {"credits": User.credits - cost, "spent": User.spent + cost}
        if not User.update(**spending).where(covered).execute():
            _write_off(user_id, cost)


def _write_off(user_id: int, cost: Decimal) -> None:
    """Takes all that there is, and adds an entry for the rest."""
    user = User.get_or_none(User.id == user_id)
    if user is None:
        return
    missing = cost - user.credits
    User.update(credits=0, spent=User.spent + cost).where(User.id == user_id).execute()
    CreditEntry.create(
        user=user_id, amount=missing, balance=0, kind="write_off", reason=REASON, actor=ACTOR
    )
    logger.warning("calls of user {} cost {} US dollars more than the balance", user_id, missing)
