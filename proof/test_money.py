"""Credits: spent to the last call they cover, and never beyond."""

import asyncio
import json

import pytest

from .conftest import TOKEN_COST, note, tally

FLEETS = [1, 4]
TOKENS = 20
COST = TOKENS * TOKEN_COST


@pytest.mark.parametrize("routers", FLEETS)
def test_credits_for_400_serve_exactly_400_of_1000(deploy, routers):
    with deploy(routers) as fleet:
        key = fleet.key()
        fleet.add_credits(400 * COST)

        async def work(session):
            return await asyncio.gather(
                *(fleet.call(session, key, n, max_tokens=TOKENS) for n in range(1000))
            )

        answers = fleet.run(work)
        counted = tally(answers)
        refused = [json.loads(body) for status, body, _ in answers if status != 200]
        books = fleet.check_books(1000)
        note("known cost", routers, 1000, counted[200], 400, fleet.credits(), books)
        assert counted[200] == 400
        assert {body["error"]["code"] for body in refused} == {"insufficient_quota"}
        assert fleet.credits() == 0

        # Nothing is still reserved: credits for one call serve one.
        fleet.add_credits(COST)

        async def once_more(session):
            await asyncio.sleep(1)  # until every router has heard of it
            return [await fleet.call(session, key, n, max_tokens=TOKENS) for n in range(3)]

        assert tally(fleet.run(once_more)) == {200: 1, 429: 2}
        fleet.check_books(1003)


@pytest.mark.parametrize("routers", FLEETS)
def test_answers_of_unknown_length_never_overdraw(deploy, routers):
    with deploy(routers) as fleet:
        key = fleet.key()
        fleet.add_credits(100_000_000)

        async def client(session, number):
            """Calls until there is nothing left, as an SDK would that obeys what it is told."""
            calls = 0
            while True:
                status, _, headers = await fleet.call(session, key, number)
                calls += 1
                number += 1
                if status == 429:
                    if headers.get("x-should-retry") == "false":
                        return calls
                    await asyncio.sleep(0.05)

        async def work(session):
            return await asyncio.gather(*(client(session, n) for n in range(50)))

        calls = sum(fleet.run(work))
        books = fleet.check_books(calls)
        left = fleet.credits()
        (served,) = fleet.ask("SELECT COUNT(*) FROM usage_logs WHERE status = 200")
        (uncharged,) = fleet.ask("SELECT SUM(uncharged) FROM usage_logs")
        note("unknown length", routers, calls, served, "until spent", left, books)
        assert left >= 0
        assert uncharged == 0
        assert left < 2048 * TOKEN_COST, "less than is reserved for one call"


@pytest.mark.parametrize("routers", FLEETS)
def test_streams_that_clients_leave_are_charged_and_free_what_they_held(deploy, routers):
    with deploy(routers) as fleet:
        key = fleet.key()
        fleet.add_credits(1000 * COST)

        async def leave(answer):
            await answer.content.readany()
            answer.close()

        async def stay(answer):
            return await answer.read()

        async def work(session):
            return await asyncio.gather(
                *(
                    fleet.call(
                        session,
                        key,
                        n,
                        read=leave if n % 2 else stay,
                        stream=True,
                        model="vendor/pause-20",
                        max_tokens=TOKENS,
                    )
                    for n in range(400)
                )
            )

        answers = fleet.run(work)
        counted = tally(answers)
        books = fleet.check_books(400)
        note("streams, half left", routers, 400, counted[200], 400, fleet.credits(), books)
        assert counted[200] == 400
        assert all(body.endswith(b"data: [DONE]\n\n") for _, body, _ in answers if body)
        (left_early,) = fleet.ask("SELECT COUNT(*) FROM usage_logs WHERE status = 499")
        assert left_early == 200

        # All that is left can be spent at once: nothing of it is held any more.
        tokens = fleet.credits() // TOKEN_COST

        async def rest(session):
            await asyncio.sleep(1)
            return [await fleet.call(session, key, max_tokens=tokens)]

        assert tally(fleet.run(rest)) == {200: 1}
        fleet.check_books(401)


@pytest.mark.parametrize("routers", FLEETS)
def test_a_budget_of_a_key_holds_beside_credits(deploy, routers):
    with deploy(routers) as fleet:
        key = fleet.key("--budget", "0.02", "--budget-period", "total")
        fleet.add_credits(1000 * COST)

        async def work(session):
            return await asyncio.gather(
                *(fleet.call(session, key, n, max_tokens=TOKENS) for n in range(500))
            )

        counted = tally(fleet.run(work))
        books = fleet.check_books(500)
        note("budget", routers, 500, counted[200], 100, fleet.credits(), books)
        assert counted[200] == 100
