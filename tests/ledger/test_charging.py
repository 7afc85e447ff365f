"""What calls cost is taken from credits, and a balance never falls below zero."""

from decimal import Decimal

import pytest

from tornado_router.accounts import credits, registration
from tornado_router.accounts.plans import Plans
from tornado_router.config.options import PlanOptions
from tornado_router.ledger.charging import take_credits
from tornado_router.ledger.record import Charge
from tornado_router.storage.storage import Storage, transaction
from tornado_router.storage.tables import CreditEntry, User

from ..finished import finished

PLANS = Plans({"free": PlanOptions(credits=5.0)}, "free")


@pytest.fixture(autouse=True)
def storage(place):
    storage = Storage(place.location)
    with storage.database.connection_context():
        registration.create_user(PLANS, "ada@example.com", actor="test")
        registration.create_user(PLANS, "bob@example.com", actor="test")
        yield storage
    storage.close()


def charge(*dollars, user_id=1, **fields):
    calls = [
        finished(
            number,
            user_id=user_id,
            **{"charge": Charge(int(Decimal(amount) * 10**9)), "paid_from_credits": True} | fields,
        )
        for number, amount in enumerate(dollars)
    ]
    with transaction():
        take_credits(calls)


def balance(user_id=1):
    """The credits and what is spent, after a look at whether they are all that was put in."""
    user = User.get_by_id(user_id)
    entries = CreditEntry.select().where(CreditEntry.user == user_id)
    assert sum(entry.amount for entry in entries) == user.credits + user.spent
    assert user.credits >= 0
    return user.credits, user.spent


def test_the_cost_of_all_calls_is_taken():
    charge("1.5", "0.000000001")
    assert balance() == (Decimal("3.499999999"), Decimal("1.500000001"))
    assert balance(2) == (5, 0)


def test_the_last_billionth_is_there_to_be_spent():
    charge("5")
    assert balance() == (0, 5)
    assert CreditEntry.select().where(CreditEntry.kind == "write_off").count() == 0


def test_what_goes_beyond_the_balance_is_written_off():
    credits.change(1, Decimal(-4), "adjust", "x", "cli")
    charge("0.5", "1.25")
    assert balance() == (0, Decimal("1.75"))
    entry = CreditEntry.select().order_by(CreditEntry.id.desc()).get()
    assert (entry.user.id, entry.amount, entry.balance) == (1, Decimal("0.75"), 0)
    assert (entry.kind, entry.actor) == ("write_off", "ledger")


def test_credits_that_others_pay_from_are_left_alone():
    charge("1", paid_from_credits=False)
    charge("1", user_id=99)
    assert balance() == (5, 0)
