"""What calls cost is taken from credits, and a balance never falls below zero."""

import random
import threading
from contextlib import suppress
from decimal import Decimal
from functools import partial

import pytest

from tornado_router.accounts import credits, registration
from tornado_router.accounts.plans import Plans
from tornado_router.config.options import PlanOptions
from tornado_router.errors import ApiError
from tornado_router.ledger.charging import take_credits
from tornado_router.ledger.record import Charge
from tornado_router.ledger.usage_rows import UsageRows
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
        return [call.charge.charged for call in take_credits(calls)]


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


def test_what_goes_beyond_the_balance_is_not_charged():
    credits.change(1, Decimal(-4), "adjust", "x", "cli")
    first, second, third = charge("0.5", "1.25", "0.25")
    assert first == 500_000_000
    assert (second, third) == (500_000_000, 0)
    assert balance() == (0, 1)


def test_one_users_want_is_not_anothers():
    credits.change(1, Decimal(-5), "adjust", "x", "cli")
    assert charge("1", user_id=1) == [0]
    assert charge("1", user_id=2) == [1_000_000_000]
    assert balance() == (0, 0)
    assert balance(2) == (4, 1)


def test_credits_that_others_pay_from_are_left_alone():
    charge("1", paid_from_credits=False)
    charge("1", user_id=99)
    assert balance() == (5, 0)


@pytest.mark.parametrize("seed", range(3))
def test_two_writers_and_who_takes_credits_away_leave_books_that_agree(storage, place, seed):
    """Charges beyond the purse, as of leases that were lost, while the balance changes."""
    chance = random.Random(seed)
    costs = [chance.choice([0, 1, chance.randrange(3 * 10**8)]) for _ in range(400)]
    calls = [
        finished(number, user_id=chance.choice([1, 2]), charge=Charge(cost, prices="{}"))
        for number, cost in enumerate(costs)
    ]
    calls += chance.sample(calls, 50)  # each is recorded once
    failed = []

    def write(part):
        rows = UsageRows(storage)
        while part:
            batch, part = part[:7], part[7:]
            rows.write(batch, long=True)
        rows.close()

    def adjust():
        moves = random.Random(seed + 100)
        for _ in range(40):
            amount = Decimal(moves.randrange(-(10**9), 10**8)) / 10**9
            with suppress(ApiError):
                storage.call(partial(credits.change, 1, amount, "adjust", "x", "cli"))

    def guarded(work, *args):
        try:
            work(*args)
        except Exception as error:
            failed.append(error)
            raise

    works = [(write, calls[::2]), (write, calls[1::2]), (adjust,)]
    threads = [threading.Thread(target=guarded, args=work) for work in works]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert min(credit for (credit,) in place.ask("SELECT credits FROM users")) >= 0
    for thread in threads:
        thread.join()
    assert failed == []
    wanted = dict.fromkeys((1, 2), 0)
    for call in calls[:400]:
        wanted[call.user_id] += call.charge.charged
    for user_id in (1, 2):
        _, spent = balance(user_id)
        charged, uncharged = place.ask(
            "SELECT SUM(cost), SUM(uncharged) FROM usage_logs WHERE user_id = ?", user_id
        )[0]
        assert charged == spent * 10**9
        assert charged + uncharged == wanted[user_id]
        days = place.ask("SELECT SUM(cost) FROM usage_days WHERE user_id = ?", user_id)
        assert days[0][0] == charged
    assert place.ask("SELECT SUM(uncharged) FROM usage_logs")[0][0] > 0
