"""The objects of one process: what they load, and how they are closed."""

import asyncio
import os
import subprocess
import sys
import time

from tornado_router.errors import DatabaseAwayError
from tornado_router.ledger.exchange import Exchange
from tornado_router.runtime.loaded_config import load_config
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import User

from ..finished import finished
from ..postgres import own_postgres

START = """
import asyncio, sys
from pathlib import Path
import tornado_router.cli.main, tornado_router.cli.serve_command
from tornado_router.cli.common import open_storage, read_or_exit
from tornado_router.runtime.router_process import RouterProcess

loaded = read_or_exit(Path(sys.argv[1]))
storage = open_storage(loaded.config)

async def main():
    await RouterProcess(loaded, storage).close()

asyncio.run(main())
print(*{name.partition(".")[0] for name in sys.modules})
print(*sys.modules)
"""

NOT_LOADED = {
    *("aiohttp", "websockets"),  # proxies, and clients' websockets
    *("psycopg", "redis"),  # of a router that uses them
    *("jsonschema", "email_validator"),  # of what is wrong in a file, and of a registration
    *("opentelemetry", "sentry_sdk", "genai_prices", "pydantic"),
    *("hypothesis", "pytest"),
    "tornado_router.http.openapi",
}
"""What a router on SQLite does without, also for a model without a price: 60 MB in all."""


def read(folder):
    (folder / "router.toml").write_text('[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n')
    return load_config(folder / "router.toml", {})


def test_loads_nothing_that_it_does_not_use(tmp_path):
    config = tmp_path / "router.toml"
    config.write_text(
        '[providers.echo]\ntype = "echo"\nmodels = ["echo", "one-without-a-price"]\n'
        "[prices.echo]\ninput = 1.0\noutput = 1.0\n"
    )
    environ = {name: value for name, value in os.environ.items() if name != "SENTRY_DSN"}
    command = [sys.executable, "-c", START, config]
    done = subprocess.run(
        command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"peewee", "tornado", "tornado_router_openai"} <= loaded
    assert loaded & NOT_LOADED == set()


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
