"""Credits: changed exactly, and never below zero."""

from decimal import Decimal

import pytest

from tornado_router.accounts import credits
from tornado_router.storage.tables import CreditEntry, User

from .people import at_once, refused

pytestmark = pytest.mark.usefixtures("connection")


class TestCredits:
    def test_a_top_up_and_an_adjustment(self, ann):
        first = credits.change(ann.id, Decimal("2.5"), "top_up", " paid ", "root@example.com")
        second = credits.change(ann.id, Decimal("-7.5"), "adjust", "refund", "cli")
        assert (first.amount, first.balance, first.reason) == (
            Decimal("2.5"),
            Decimal("7.5"),
            "paid",
        )
        assert (second.amount, second.balance) == (Decimal("-7.5"), Decimal(0))
        assert User.get_by_id(ann.id).credits == 0
        told = [(entry.kind, entry.actor) for entry in credits.list_entries(ann.id)]
        assert told == [("adjust", "cli"), ("top_up", "root@example.com"), ("plan", "cli")]

    def test_never_below_zero(self, ann):
        below = (409, "credits_below_zero", "amount")
        assert (
            refused(credits.change, ann.id, Decimal("-5.000000001"), "adjust", "x", "cli") == below
        )
        assert User.get_by_id(ann.id).credits == Decimal(5)
        assert CreditEntry.select().count() == 1

    def test_never_more_than_can_be_counted(self, ann):
        million = Decimal(1_000_000)
        assert refused(credits.change, ann.id, million, "top_up", "x", "cli")[:2] == (
            409,
            "credits_above_max",
        )

    @pytest.mark.parametrize(
        ("amount", "kind", "reason", "param"),
        [
            ("0", "adjust", "x", "amount"),
            ("-1", "top_up", "x", "amount"),
            ("0", "top_up", "x", "amount"),
            ("1e-10", "adjust", "x", "amount"),
            ("NaN", "adjust", "x", "amount"),
            ("1", "adjust", " ", "reason"),
            ("1", "adjust", "a\nb", "reason"),
            ("1", "adjust", "x" * 501, "reason"),
        ],
    )
    def test_what_cannot_be_booked(self, ann, amount, kind, reason, param):
        came = refused(credits.change, ann.id, Decimal(amount), kind, reason, "cli")
        assert (came[0], came[2]) == (400, param)
        assert CreditEntry.select().count() == 1

    def test_nothing_is_lost_beside_calls_that_are_charged(self, storage, ann):
        """Top-ups, adjustments and what the ledger takes, all at once: the books agree."""
        credits.change(ann.id, Decimal(95), "top_up", "x", "cli")
        cent = Decimal("0.01")

        def work(number):
            match number % 3:
                case 0:
                    credits.change(ann.id, Decimal("0.3"), "top_up", "x", "cli")
                case 1:
                    credits.change(ann.id, Decimal("-0.2"), "adjust", "x", "cli")
                case _:  # as the ledger does
                    User.update(credits=User.credits - cent, spent=User.spent + cent).where(
                        User.id == ann.id
                    ).execute()

        at_once(storage, 90, work)
        row = User.get_by_id(ann.id)
        assert row.credits == Decimal(100) + 30 * Decimal("0.3") - 30 * Decimal("0.2") - 30 * cent
        assert row.spent == 30 * cent
        entries = list(CreditEntry.select().order_by(CreditEntry.id))
        assert sum(entry.amount for entry in entries) == row.credits + row.spent

    def test_what_is_there_is_taken_once(self, storage, ann):
        came = at_once(
            storage,
            40,
            lambda _: credits.change(ann.id, Decimal("-0.5"), "adjust", "x", "cli").balance,
        )
        refusals = [one for one in came if one == "credits_below_zero"]
        balances = sorted(one for one in came if one != "credits_below_zero")
        assert len(refusals) == 30
        assert balances == [Decimal(number) / 2 for number in range(10)]
        assert User.get_by_id(ann.id).credits == 0

    def test_pages(self, ann):
        for _ in range(4):
            credits.change(ann.id, Decimal(1), "top_up", "x", "cli")
        first = [entry.balance for entry in credits.list_entries(ann.id, limit=2)]
        assert first == [9, 8, 7]
        after = credits.list_entries(ann.id, limit=2)[1].id
        assert [one.balance for one in credits.list_entries(ann.id, 2, after)] == [7, 6, 5]
