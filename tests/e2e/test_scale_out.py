"""Two routers behind a load balancer, over one Redis and one database, as a company runs them."""

import asyncio
import threading

import openai
import pytest

from ..postgres import postgres_server
from ..servers import redis_server
from ..support import Project, poll

ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[auth]
bcrypt_rounds = 4
jwt_secret = "the secret of a test, long enough for one"
[redis]
host = "127.0.0.1"
port = {redis}
[ledger]
journal = "journal-{name}"
[providers.up]
type = "openai"
base_url = "{upstream}/v1"
api_key = "sk-vendor"
models = ["ok"]
[prices."*"]
input = 0
output = 10
[plans.free]
credits = 1000
"""
EMAIL = "ann@example.com"
HELLO = [{"role": "user", "content": "hello"}]


class Balancer:
    """Hands connections out in turn, to whoever accepts them: as simple as one can be.

    Attributes:
        url: where clients connect.
    """

    def __init__(self, ports):
        self._ports = list(ports)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        made = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        )
        self._server = made.result(10)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def close(self):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self):
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader, writer):
        there = await self._connect()
        try:
            await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        except (OSError, asyncio.CancelledError):
            pass  # either side hung up
        finally:
            writer.transport.abort()
            there[1].transport.abort()

    async def _connect(self):
        for _ in self._ports:
            self._ports.append(self._ports.pop(0))
            try:
                return await asyncio.open_connection("127.0.0.1", self._ports[-1])
            except OSError:
                continue  # it is down: the next one, as any balancer does
        raise ConnectionError


async def _copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError


@pytest.fixture
def routers(tmp_path, upstream):
    with redis_server(tmp_path) as (_, redis), postgres_server() as postgres:
        url = postgres.create(migrated=True)
        projects = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            text = ROUTER_TOML.format(redis=redis, name=name, upstream=upstream.url)
            projects.append(Project(folder, {"router.toml": text}, url))
        yield projects
        for project in projects:
            project.close()


def test_one_of_two_is_killed(routers):
    """No call fails but those that were in flight on it, and the books are right."""
    one, two = routers
    made = one.cli(
        "users", "create", "--email", EMAIL, "--plan", "free", "--password-stdin",
        input="correct horse 7 battery\n",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    key = one.cli("keys", "create", "--name", "test", "--user", EMAIL).stdout.strip()
    first, second = one.serve(), two.serve()
    balancer = Balancer(int(item.origin.rpartition(":")[2]) for item in (first, second))
    kill = threading.Event()
    lock = threading.Lock()
    answered, failed = [], []

    def call(number):
        # A client of its own, and so a connection: what a pool of clients looks like from outside.
        with openai.OpenAI(base_url=balancer.url, api_key=key, max_retries=0) as client:
            for turn in range(40):
                name = f"call-{number}-{turn}"
                try:
                    client.chat.completions.create(
                        model="up/ok", messages=HELLO, extra_headers={"x-request-id": name}
                    )
                    made = answered
                except openai.APIConnectionError:
                    made = failed
                with lock:
                    made.append(name)
                    if len(answered) >= 60:
                        kill.set()

    threads = [threading.Thread(target=call, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    assert kill.wait(60)
    first.kill()
    for thread in threads:
        thread.join()
    balancer.close()

    assert len(answered) + len(failed) == 320
    assert len(failed) <= 8  # one in flight for each client, at most
    assert {row["status"] for row in second.usage_rows()} == {200}

    one.serve()  # records what the one before had in its journal
    poll(lambda: set(answered) <= {row["request_id"] for row in second.usage_rows()})
    rows = second.usage_rows()
    assert len({row["request_id"] for row in rows}) == len(rows)
    ((left, spent),) = two.place.ask("SELECT credits, spent FROM users WHERE email = ?", EMAIL)
    assert spent == sum(row["cost"] for row in rows) > 0
    assert left + spent == 1000 * 10**9
