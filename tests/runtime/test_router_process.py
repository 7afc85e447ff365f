"""The objects of one process: how they are closed."""

import asyncio
import time

from tornado_router.errors import DatabaseAwayError
from tornado_router.ledger.exchange import Exchange
from tornado_router.runtime.loaded_config import load_config
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import User

from ..finished import finished
from ..postgres import own_postgres


def read(folder):
    (folder / "router.toml").write_text('[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n')
    return load_config(folder / "router.toml", {})


def test_does_not_wait_long_for_a_database_that_hangs(tmp_path):
    """All that waits for it does so at the same time, and its usage is written later."""
    exchange = Exchange(finished(), b"", b"", 0)

    async def main(postgres):
        router = RouterProcess(read(tmp_path), Storage(postgres.url))
        storage = router.storage
        await storage.run(User.select().count)
        postgres.freeze()
        try:
            router.ledger.add(finished())
            router.recorder.add(exchange)
            loop = asyncio.get_running_loop()
            asked = [loop.create_task(storage.run(User.select().count)) for _ in range(10)]
            await asyncio.sleep(0.5)  # some connect, one waits for an answer, others in line
            began = time.monotonic()
            await router.close()
            seconds = time.monotonic() - began
        finally:
            postgres.thaw()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {
            DatabaseAwayError,
            asyncio.CancelledError,
        }
        assert router.ledger.backlog  # in the journal
        return seconds

    with own_postgres() as postgres:
        assert asyncio.run(main(postgres)) < 12
