"""The router is killed, or stopped, at random moments under load."""

import asyncio
import os
import random
import signal

from .conftest import BILLION, EMAIL, MAX_TOKENS, TOKEN_COST, Outcome

KILLS = int(os.environ.get("CHAOS_KILLS", "50"))


def test_kill_9_loses_nothing_and_doubles_nothing(deploy):
    outcome, world = Outcome(), deploy()
    for _ in range(KILLS):

        async def kill():
            await asyncio.sleep(random.uniform(0.05, 1.0))
            world.router.send(signal.SIGKILL)
            await asyncio.to_thread(world.router.wait)

        world.load(outcome, during=kill)
        world.router = world.project.serve()
    world.check(f"kill -9, {KILLS} times", outcome)
    # Those that it had in flight, and those that connected while it died.
    assert len(outcome.unanswered) <= KILLS * 16
    check_nothing_is_reserved(world)


def test_sigterm_breaks_no_call(deploy):
    outcome, world = Outcome(), deploy()
    for _ in range(10):

        async def stop():
            await asyncio.sleep(random.uniform(0.1, 0.5))
            world.router.send(signal.SIGTERM)
            assert await asyncio.to_thread(world.router.wait) == 0

        world.load(outcome, during=stop)
        world.router = world.project.serve()
    # Who was not let in any more has no answer, and is not in the books.
    recorded = dict(world.ask("SELECT request_id, status FROM usage_logs"))
    assert {x: recorded[x] for x in outcome.unanswered if x in recorded} == {}
    assert outcome.told == []
    world.check("SIGTERM, 10 times", outcome)


def check_nothing_is_reserved(world):
    """One call may have all that is left."""
    ((left,),) = world.ask(f"SELECT credits FROM users WHERE email = '{EMAIL}'")
    whole, part = divmod(left - MAX_TOKENS * TOKEN_COST, BILLION)
    world.cli("credits", "adjust", EMAIL, f"-{whole}.{part:09d}", "--reason", "all but one call")
    outcome = Outcome()
    world.load(outcome, calls=1, model="good/m")
    assert len(outcome.answered) == 1
