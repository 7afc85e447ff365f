"""One of several routers that share limits, as a process: `contender.py PORT STORY`."""

import asyncio
import sys

from tornado_router.config.options import RedisOptions
from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import Demand, LimitReachedError, Purse
from tornado_router.limits.redis import RedisLimiter
from tornado_router.redis.link import RedisLink

CALLS = 100
LEASE_SECONDS = 1.2

SPEND = Demand("call", (Rates("user:1", 100_000),), (Purse("p", 10_000, 1000),), cost=90)
"""There is money for 100 of them."""

CROWD = Demand("call", (Rates("user:1", in_flight=50),))
"""50 of them may run at once."""

HURRY = Demand("call", (Rates("user:1", tokens=70),), tokens=1)
"""70 of them may begin; in the second that they take, not one more."""

ALL = Demand("call", (Rates("user:1", in_flight=1),), (Purse("p", 90, 0),), cost=90)
"""One of them holds all that there is."""


async def contend(limiter, demand, ends):
    """Begins many calls at a time, ends some of them, and says how many were admitted."""
    count = 0
    for _ in range(CALLS // 10):
        asked = (limiter.admit(demand) for _ in range(10))
        for lease in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(lease, LimitReachedError):
                continue
            count += 1
            if ends and count % 3 == 0:
                limiter.settle(lease, demand.tokens, demand.cost)
    return count


async def main(port, story):
    link = RedisLink(RedisOptions(host="127.0.0.1", port=port, timeout=5))
    limiter = RedisLimiter(link, LEASE_SECONDS)
    say("ready")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    if story == "hold":
        await limiter.admit(ALL)
        say("done")
    else:
        demand = {"spend": SPEND, "crowd": CROWD, "hurry": HURRY}[story]
        say(await contend(limiter, demand, ends=story != "crowd"))
    await asyncio.Event().wait()  # until it is killed


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
