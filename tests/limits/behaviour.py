"""What every engine does: the same stories for each of them."""

import asyncio

import pytest

from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import Demand, Lease, LimitReachedError, Purse

PLENTY = 100_000_000


def demand(*rates, purses=(), tokens=0, cost=0, most=0):
    return Demand("call", rates, tuple(purses), tokens, cost, most)


async def refusal(limiter, wanted):
    with pytest.raises(LimitReachedError) as caught:
        await limiter.admit(wanted)
    return caught.value


async def outcome(limiter, wanted):
    """A lease, or why there is none."""
    try:
        return await limiter.admit(wanted)
    except LimitReachedError as error:
        return error


def admitted(outcomes):
    return [one for one in outcomes if isinstance(one, Lease)]


class Behaviour:
    """Stories of an engine; a subclass says how one is told, in `run`."""

    def run(self, story):
        raise NotImplementedError

    def test_a_burst_takes_what_the_bucket_holds(self):
        async def story(limiter):
            one = demand(Rates("user:1", requests=3))
            leases = [await limiter.admit(one) for _ in range(3)]
            return leases, await refusal(limiter, one)

        leases, refused = self.run(story)
        assert [lease.levels["requests"].remaining for lease in leases] == [2, 1, 0]
        assert all("tokens" not in lease.levels for lease in leases)
        assert (refused.kind, refused.name) == ("requests", "user:1")
        assert (refused.limit, refused.used, refused.requested) == (3, 3, 1)
        assert 0 < refused.retry_after <= 20
        assert refused.levels["requests"][:2] == (3, 0)
        assert 0 < refused.levels["requests"].reset <= 60

    def test_an_ended_call_does_not_give_its_request_back(self):
        async def story(limiter):
            one = demand(Rates("user:1", requests=1))
            limiter.settle(await limiter.admit(one), 0, 0)
            return await refusal(limiter, one)

        assert self.run(story).kind == "requests"

    def test_who_comes_back_when_told_to_may_pass(self):
        async def story(limiter):
            rates = Rates("user:1", tokens=PLENTY)
            await limiter.admit(demand(rates, tokens=PLENTY))
            again = demand(rates, tokens=PLENTY // 600)  # a tenth of a second flows back
            for _ in range(100):  # a machine that stood still may let one pass
                tried = await outcome(limiter, again)
                if not isinstance(tried, Lease):
                    await asyncio.sleep(tried.retry_after)
                    return tried.retry_after, await limiter.admit(again)
            return None

        retry_after, lease = self.run(story)
        assert 0 < retry_after <= 0.1
        assert lease.levels["tokens"].limit == PLENTY

    def test_0_is_nothing_and_none_is_no_limit(self):
        async def story(limiter):
            for rates in (
                Rates("a", requests=0),
                Rates("b", tokens=0),
                Rates("c", in_flight=0),
            ):
                yield await refusal(limiter, demand(rates, tokens=1))
            await limiter.admit(demand(Rates("d"), tokens=10**12))

        async def collect(limiter):
            return [refused async for refused in story(limiter)]

        refusals = self.run(collect)
        assert [refused.kind for refused in refusals] == ["requests", "tokens", "in_flight"]
        assert [refused.retry_after for refused in refusals] == [None, None, None]
        assert refusals[0].levels["requests"] == (0, 0, 0.0)

    def test_no_tokens_fit_into_no_tokens(self):
        async def story(limiter):
            return await limiter.admit(demand(Rates("a", tokens=0), tokens=0))

        assert self.run(story).levels["tokens"] == (0, 0, 0.0)

    def test_all_is_taken_or_nothing(self):
        async def story(limiter):
            key, user = Rates("key:1", 10, 100, 5), Rates("user:1", 1, None, None)
            purse = Purse("credits:1", 100, 0)
            await limiter.admit(demand(user))
            refused = await refusal(limiter, demand(key, user, purses=[purse], tokens=10, cost=10))
            return refused, await limiter.admit(demand(key, purses=[purse], tokens=100, cost=100))

        refused, lease = self.run(story)
        assert (refused.name, refused.kind) == ("user:1", "requests")
        assert refused.levels["tokens"] == (100, 100, 0.0)
        assert lease.levels["requests"].remaining == 9

    def test_the_fullest_drawn_bucket_is_told(self):
        async def story(limiter):
            return await limiter.admit(
                demand(Rates("a", 10, 1000), Rates("b", 5, 5000), Rates("c"), tokens=10)
            )

        lease = self.run(story)
        assert lease.levels["requests"][:2] == (5, 4)
        assert lease.levels["tokens"][:2] == (1000, 990)

    def test_of_several_reasons_the_one_that_holds_longest_is_told(self):
        async def story(limiter):
            fast, slow = Rates("fast", requests=60), Rates("slow", requests=1)
            for _ in range(59):
                await limiter.admit(demand(fast))
            await limiter.admit(demand(fast, slow))
            never = Rates("never", tokens=1)
            return (
                await refusal(limiter, demand(fast, slow)),
                await refusal(limiter, demand(slow, never, tokens=2)),
            )

        slow, never = self.run(story)
        assert (slow.name, never.name) == ("slow", "never")
        assert slow.levels["requests"][:2] == (60, 0)  # both have none left, and the first is told

    def test_calls_in_flight(self):
        async def story(limiter):
            one = demand(Rates("key:1", in_flight=2))
            first, _ = await limiter.admit(one), await limiter.admit(one)
            refused = await refusal(limiter, one)
            limiter.settle(first, 0, 0)
            await limiter.admit(one)
            await refusal(limiter, one)
            return refused

        refused = self.run(story)
        assert (refused.kind, refused.limit, refused.used) == ("in_flight", 2, 2)
        assert refused.retry_after == 1.0

    def test_calls_without_a_limit_count_for_one_that_comes_later(self):
        async def story(limiter):
            await limiter.admit(demand(Rates("key:1", requests=10)))
            return await refusal(limiter, demand(Rates("key:1", in_flight=1)))

        assert self.run(story).used == 1

    def test_a_purse_pays_for_exactly_as_many_as_it_can(self):
        async def story(limiter):
            purse = Purse("credits:1", 4003, 0)
            one = demand(Rates("user:1", PLENTY), purses=[purse], cost=10)
            outcomes = await asyncio.gather(*(outcome(limiter, one) for _ in range(1000)))
            leases = admitted(outcomes)
            held = await refusal(limiter, one)
            for lease in leases:
                limiter.settle(lease, 0, 10)
            return len(leases), held, await refusal(limiter, one)

        count, held, gone = self.run(story)
        assert count == 400
        assert (held.kind, held.name, held.limit) == ("money", "credits:1", 4003)
        assert (held.used, held.requested) == (4000, 10)
        assert held.retry_after == 1.0  # what is held may not be spent
        assert gone.used == 4000
        assert gone.retry_after is None

    def test_each_purse_pays_the_whole(self):
        async def story(limiter):
            rich, poor = Purse("credits:1", 100, 0), Purse("budget:1", 15, 0)
            lease = await limiter.admit(demand(purses=[rich, poor], cost=10))
            refused = await refusal(limiter, demand(purses=[rich, poor], cost=10))
            limiter.settle(lease, 0, 4)
            await limiter.admit(demand(purses=[rich, poor], cost=11))
            return refused, await refusal(limiter, demand(purses=[rich], cost=86))

        refused, rich = self.run(story)
        assert (refused.name, refused.used) == ("budget:1", 10)
        assert rich.used == 15

    def test_what_costs_nothing_passes_an_empty_purse(self):
        async def story(limiter):
            return await limiter.admit(demand(purses=[Purse("credits:1", 0, 0)]))

        assert self.run(story).cost == 0

    def test_what_the_database_knows_counts_if_it_is_more(self):
        async def story(limiter):
            limiter.settle(
                await limiter.admit(demand(purses=[Purse("credits:1", 100, 20)], cost=10)), 0, 10
            )
            lagging = await refusal(limiter, demand(purses=[Purse("credits:1", 100, 5)], cost=100))
            ahead = await refusal(limiter, demand(purses=[Purse("credits:1", 100, 70)], cost=100))
            after = await refusal(limiter, demand(purses=[Purse("credits:1", 100, 0)], cost=100))
            return lagging.used, ahead.used, after.used

        assert self.run(story) == (30, 70, 70)

    def test_an_extension_gets_what_is_there(self):
        async def story(limiter):
            purses = [Purse("credits:1", 100, 0), Purse("budget:1", 50, 0)]
            lease = await limiter.admit(demand(purses=purses, cost=10))
            got = [await limiter.extend(lease, 30), await limiter.extend(lease, 30)]
            got.append(await limiter.extend(lease, 30))
            refused = await refusal(limiter, demand(purses=purses[:1], cost=51))
            limiter.settle(lease, 0, 45)
            after = await refusal(limiter, demand(purses=purses[:1], cost=56))
            return got, lease.cost, refused.used, after.used

        assert self.run(story) == ([30, 10, 0], 50, 50, 45)

    def test_an_extension_of_nobodys_money(self):
        async def story(limiter):
            lease = await limiter.admit(demand(Rates("user:1", 10)))
            return await limiter.extend(lease, 7), lease.cost

        assert self.run(story) == (7, 7)

    def test_who_may_need_more_holds_a_share_of_what_is_left(self):
        async def story(limiter):
            purses = [Purse("credits:1", 1000, 30), Purse("budget:1", 500, 0)]
            wanted = demand(purses=purses, cost=20, most=100)
            leases = [await limiter.admit(wanted) for _ in range(3)]
            limiter.settle(leases[0], 0, 10)
            refused = await refusal(limiter, demand(purses=purses[1:], cost=10**6))
            return [lease.cost for lease in leases], refused.used

        held = [20 + 480 // 16, 20 + 430 // 16, 20 + 384 // 16]
        assert self.run(story) == (held, 10 + held[1] + held[2])

    @pytest.mark.parametrize(("most", "held"), [(25, 25), (20, 20), (5, 20), (10**30, 20 + 5)])
    def test_but_no_more_than_it_may_need(self, most, held):
        async def story(limiter):
            purse = Purse("credits:1", 100, 0)
            return (await limiter.admit(demand(purses=[purse], cost=20, most=most))).cost

        assert self.run(story) == held

    def test_nor_more_than_there_is(self):
        async def story(limiter):
            purse = Purse("credits:1", 20, 0)
            leases = [
                await limiter.admit(demand(purses=[purse], cost=cost, most=100)) for cost in (20, 0)
            ]
            return [lease.cost for lease in leases]

        assert self.run(story) == [20, 0]

    def test_an_allowance_that_shrank_gives_nothing(self):
        async def story(limiter):
            purse = Purse("credits:1", 100, 0)
            await limiter.admit(demand(purses=[purse], cost=90))
            small = await limiter.admit(demand(purses=[purse._replace(allowance=50)]))
            return await limiter.extend(small, 5)

        assert self.run(story) == 0

    def test_tokens_that_were_not_used_come_back(self):
        async def story(limiter):
            rates = Rates("user:1", tokens=100)
            limiter.settle(await limiter.admit(demand(rates, tokens=90)), 30, 0)
            return await limiter.admit(demand(rates, tokens=70))

        assert self.run(story).levels["tokens"][:2] == (100, 0)

    def test_tokens_beyond_the_lease_are_a_debt(self):
        async def story(limiter):
            rates = Rates("user:1", tokens=100)
            limiter.settle(await limiter.admit(demand(rates, tokens=10)), 250, 0)
            return await refusal(limiter, demand(rates, tokens=10))

        refused = self.run(story)
        assert refused.used == 250
        assert 90 < refused.retry_after <= 96

    def test_a_debt_of_who_may_have_nothing_is_never_paid(self):
        async def story(limiter):
            rates = Rates("user:1", tokens=0)
            limiter.settle(await limiter.admit(demand(rates)), 5, 0)
            return await refusal(limiter, demand(rates))

        refused = self.run(story)
        assert (refused.kind, refused.used, refused.retry_after) == ("tokens", 5, None)

    def test_absurd_numbers_hurt_nobody(self):
        async def story(limiter):
            rates, purse = Rates("a", tokens=PLENTY), Purse("p", 10**15, 0)
            tokens = await refusal(limiter, demand(rates, tokens=10**30))
            money = await refusal(limiter, demand(purses=[purse], cost=10**30))
            lease = await limiter.admit(demand(Rates("b"), tokens=10**30))
            limiter.settle(lease, 10**30, 0)
            await limiter.admit(demand(rates, purses=[purse], tokens=PLENTY, cost=10**15))
            return tokens, money

        tokens, money = self.run(story)
        assert (tokens.requested, tokens.retry_after) == (10**30, None)
        assert (money.requested, money.retry_after) == (10**30, None)

    def test_money_is_exact_at_the_largest_amounts(self):
        async def story(limiter):
            purse = Purse("credits:1", 10**15, 10**15 - 7)
            lease = await limiter.admit(demand(purses=[purse], cost=5))
            got = await limiter.extend(lease, 5)
            limiter.settle(lease, 0, 6)
            return got, astuple_of(await refusal(limiter, demand(purses=[purse], cost=2)))

        assert self.run(story) == (2, ("money", 10**15, 10**15 - 1, 2, None))


def astuple_of(error):
    return error.kind, error.limit, error.used, error.requested, error.retry_after
