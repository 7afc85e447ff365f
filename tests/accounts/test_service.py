"""Deeds are done whole: checked, counted, reserved, written, and published."""

import asyncio
from decimal import Decimal

import pytest

from tornado_router.accounts import credits, users
from tornado_router.accounts.actor import COMMAND_LINE, Actor
from tornado_router.accounts.passwords import Passwords
from tornado_router.accounts.service import Accounts
from tornado_router.config.options import AuthOptions
from tornado_router.errors import ApiError
from tornado_router.limits.limiter import Demand, LimiterAwayError
from tornado_router.limits.memory import MemoryLimiter
from tornado_router.storage.tables import ApiKey, User

from .people import HASH, OPEN, PASSWORD, PLANS

ADA = Actor("ada@example.com", 1)
HOME = "192.0.2.1"


class World:
    """The service, and what it published."""

    def __init__(self, storage):
        self.published = []
        self.limiter = MemoryLimiter()
        self.passwords = Passwords(4)
        self.storage = storage
        self.use(OPEN)

    def use(self, options):
        self.accounts = Accounts(
            self.storage, self.passwords, self.limiter, self, options=options, plans=PLANS
        )

    async def publish(self, user_id):
        self.published.append(user_id)

    def do(self, deed):
        return asyncio.run(deed(self.accounts))

    def refused(self, deed):
        with pytest.raises(ApiError) as caught:
            self.do(deed)
        return caught.value.status, caught.value.code

    def hold(self, user_id, dollars):
        """Has a call hold credits."""
        purse = credits.purse(User.get_by_id(user_id))
        return asyncio.run(
            self.limiter.admit(Demand("call", (), (purse,), cost=int(Decimal(dollars) * 10**9)))
        )


@pytest.fixture
def world(storage, connection):
    world = World(storage)
    yield world
    world.passwords.close()


def test_registering_and_signing_in(world):
    user = world.do(lambda service: service.register(" Ada@x.org", PASSWORD, name="Ada"))
    assert (user.email, user.name) == ("ada@x.org", "Ada")
    assert world.do(lambda service: service.sign_in("ada@x.org", PASSWORD, HOME)).id == user.id
    wrong = world.refused(lambda service: service.sign_in("ada@x.org", "wrong", HOME))
    assert wrong == (401, "invalid_credentials")


def test_a_refused_registration_costs_no_hash(world, monkeypatch):
    world.use(AuthOptions(registration="closed"))
    monkeypatch.setattr(Passwords, "hash", None)
    closed = world.refused(lambda service: service.register("a@x.org", PASSWORD))
    assert closed == (403, "registration_closed")


def test_changing_the_password(world, ann):
    new = "another horse 8 battery"
    weak = world.refused(lambda service: service.change_password(ann, PASSWORD, "x", HOME))
    assert weak == (400, "weak_password")
    wrong = world.refused(lambda service: service.change_password(ann, "wrong", new, HOME))
    assert wrong == (400, "invalid_credentials")
    user = world.do(lambda service: service.change_password(ann, PASSWORD, new, HOME))
    assert user.session_version == 2
    world.do(lambda service: service.sign_out(ann))
    assert users.find_user(ann.id).session_version == 3


def test_deleting_ones_account(world, ann, admin):
    assert world.refused(lambda service: service.delete_own(ann, "wrong", HOME))[0] == 400
    world.do(lambda service: service.delete_own(ann, PASSWORD, HOME))
    assert world.published == [ann.id]
    assert users.find_by_email("ann@example.com") is None


def test_users_of_an_administrator(world):
    create = world.accounts.create_user
    assert world.do(lambda _: create(ADA, "a@x.org", plan="pro")).plan == "pro"
    assert world.refused(lambda _: create(ADA, "b@x.org", password="x")) == (400, "weak_password")
    user = world.do(lambda _: create(ADA, "b@x.org", password=PASSWORD))
    assert credits.list_entries(user.id)[0].actor == "ada@example.com"
    world.do(lambda service: service.set_password(user.id, "another horse 8 battery"))
    assert users.find_user(user.id).session_version == 2
    world.do(lambda service: service.change_user(user.id, name="Bob"))
    world.do(lambda service: service.delete_user(user.id))
    assert world.published == [user.id, user.id]


class TestCredits:
    def change(self, world, user_id, amount):
        return world.do(
            lambda service: service.change_credits(COMMAND_LINE, user_id, amount, "adjust", "x")
        )

    def test_are_changed_and_published(self, world, ann):
        entry, user = self.change(world, ann.id, "-5")
        assert (entry.amount, entry.balance, user.credits) == (-5, 0, 0)
        assert world.published == [ann.id]

    def test_what_a_call_holds_is_not_taken_away(self, world, ann):
        lease = world.hold(ann.id, "4.2")
        with pytest.raises(ApiError, match="reserved by calls in progress"):
            self.change(world, ann.id, "-5")
        assert self.change(world, ann.id, "-0.8")[1].credits == Decimal("4.2")
        world.limiter.settle(lease, 0, 0)
        assert self.change(world, ann.id, "-4.2")[1].credits == 0

    def test_a_plan_without_credits_makes_no_difference_to_calls_that_run(self, world, ann):
        world.hold(ann.id, "4.2")
        users.change_user(PLANS, ann.id, plan="flat")
        with pytest.raises(ApiError, match="reserved by calls in progress"):
            self.change(world, ann.id, "-5")

    def test_more_than_there_is(self, world, ann):
        with pytest.raises(ApiError, match="the account has 5 US dollars"):
            self.change(world, ann.id, "-5.1")

    def test_nothing_stays_reserved(self, world, ann):
        self.change(world, ann.id, "-1")
        deed = (COMMAND_LINE, ann.id, "-1", "adjust", " ")
        assert world.refused(lambda service: service.change_credits(*deed))[1] == "empty_string"
        world.hold(ann.id, 4)

    def test_limits_that_are_unavailable(self, world, ann, monkeypatch):
        async def away(demand):
            raise LimiterAwayError

        monkeypatch.setattr(world.limiter, "admit", away)
        deed = (COMMAND_LINE, ann.id, "-1", "adjust", "x")
        refused = world.refused(lambda service: service.change_credits(*deed))
        assert refused == (503, "limits_unavailable")
        assert self.change(world, ann.id, "1")[1].credits == 6


class TestKeys:
    def test_an_owner_changes_their_own_alone(self, world, ann, admin):
        own = Actor(ann.email, ann.id)
        row, _ = world.do(lambda service: service.create_key(own, ann.id, {"name": "k"}))
        made, _ = world.do(lambda service: service.create_key(own, admin.id, {"name": "k"}))
        there = [
            lambda service: service.change_key(own, row.id, {"rpm": 3}),
            lambda service: service.rotate_key(own, row.id),
            lambda service: service.revoke_key(own, row.id),
        ]
        for deed in there:
            world.do(deed)
        assert world.published == [ann.id] * 3
        not_there = [
            lambda service: service.change_key(own, made.id, {"rpm": 3}),
            lambda service: service.rotate_key(own, made.id),
            lambda service: service.revoke_key(own, made.id),
        ]
        assert [world.refused(deed) for deed in not_there] == [(404, "key_not_found")] * 3
        assert world.published == [ann.id] * 3

    def test_what_is_logged_is_up_to_administrators(self, world, ann):
        own = Actor(ann.email, ann.id)
        values = {"name": "k", "log_requests": True}
        refused = world.refused(lambda service: service.create_key(own, ann.id, values))
        assert refused == (403, "admin_required")
        row, _ = world.do(lambda service: service.create_key(COMMAND_LINE, ann.id, values))
        assert ApiKey.get_by_id(row.id).log_requests is True
        refused = world.refused(lambda service: service.change_key(own, row.id, values))
        assert refused == (403, "admin_required")


def test_the_hash_of_a_password_is_never_the_password(world, ann):
    assert users.find_user(ann.id).password_hash == HASH != PASSWORD
