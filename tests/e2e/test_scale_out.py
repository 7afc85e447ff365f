"""Two routers behind a load balancer, over one Redis and one database, as a company runs them."""

import asyncio
import re
import signal
import threading
from collections import Counter
from contextlib import closing
from itertools import count

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
timeout = 10  # the machine is busy with other tests
[ledger]
journal = "journal-{name}"
[providers.up]
type = "openai"
base_url = "{upstream}/v1"
api_key = "sk-vendor"
models = ["ok", "stream"]
[prices."*"]
input = 0
output = 10
[plans.free]
credits = 1000
"""
EMAIL = "ann@example.com"
HELLO = [{"role": "user", "content": "hello"}]
CLIENTS = 8


class Connection:
    """One of a client's.

    Attributes:
        port: of the router that it was given to.
        call: the id of the last request that was sent on it.
        ended: whether it is closed.
    """

    def __init__(self):
        self.port = 0
        self.call = ""
        self.ended = False

    def sent(self, data):
        found = re.findall(rb"(?i)\r\nx-request-id: (\S+)\r\n", data)
        if found:
            self.call = found[-1].decode()


class Balancer:
    """Hands connections out in turn, to whoever accepts them: as simple as one can be.

    Attributes:
        url: where clients connect.
        connections: those that there were.
    """

    def __init__(self, ports):
        self.connections = []
        self._ports = list(ports)
        self._turns = count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        made = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        )
        self._server = made.result(10)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def replace(self, old, new):
        """Knows a router by its new port from now on."""
        self._ports[self._ports.index(old)] = new

    def on(self, port):
        """The connections that a router has."""
        return [item for item in self.connections if item.port == port and not item.ended]

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
        connection = Connection()
        begin = await reader.read(65536)
        connection.sent(begin)
        connection.port, there = await self._connect()
        self.connections.append(connection)
        there[1].write(begin)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, there[1], connection.sent))
                group.create_task(_copy(there[0], writer))
        except* OSError:
            pass  # either side hung up
        finally:
            connection.ended = True
            writer.close()  # what the router said to the end arrives, however it ended
            there[1].transport.abort()

    async def _connect(self):
        turn = next(self._turns) % len(self._ports)
        for port in self._ports[turn:] + self._ports[:turn]:
            try:
                return port, await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue  # it is down: the next one, as any balancer does
        raise ConnectionError


async def _copy(reader, writer, seen=lambda data: None):
    while data := await reader.read(65536):
        seen(data)
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError


class Clients:
    """Call without a pause, each on a connection of its own; every other call is streamed.

    Attributes:
        answered: the ids of the calls that went well.
        failed: the errors of the others, by id.
    """

    def __init__(self, url, key):
        self.answered, self.failed = [], {}
        self._url, self._key = url, key
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[n]) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def served(self, more):
        """Waits for so many more answers."""
        until = len(self.answered) + more
        poll(lambda: len(self.answered) >= until, 60)

    def close(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number):
        with openai.OpenAI(
            base_url=self._url, api_key=self._key, max_retries=0, timeout=30
        ) as client:
            for turn in count(number):
                if self._stop.is_set():
                    return
                name = f"call-{number}-{turn}"
                try:
                    self._call(client, name, streamed=turn % 2 == 0)
                    self.answered.append(name)
                except Exception as error:  # noqa: BLE001 - that of the SDK's HTTP library, too
                    self.failed[name] = error

    @staticmethod
    def _call(client, name, streamed):
        model = "up/stream" if streamed else "up/ok"
        answer = client.chat.completions.create(
            model=model, messages=HELLO, stream=streamed, extra_headers={"x-request-id": name}
        )
        if streamed:
            assert list(answer)[-1].choices[0].finish_reason == "stop"


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


@pytest.fixture
def key(routers):
    one, _ = routers
    made = one.cli(
        "users", "create", "--email", EMAIL, "--plan", "free", "--password-stdin",
        input="correct horse 7 battery\n",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return one.cli("keys", "create", "--name", "test", "--user", EMAIL).stdout.strip()


def client_of(call):
    return call.split("-")[1]


def port_of(router):
    return int(router.origin.rpartition(":")[2])


def check_books(project, answered):
    """Each call that was answered is there once, and its money was taken."""
    rows = []

    def look():
        rows[:] = project.place.rows("SELECT * FROM usage_logs")
        return set(answered) <= {row["request_id"] for row in rows}

    poll(look)
    assert len({row["request_id"] for row in rows}) == len(rows)
    assert all(row["status"] == 200 for row in rows if row["request_id"] in set(answered))
    ((left, spent),) = project.place.ask("SELECT credits, spent FROM users WHERE email = ?", EMAIL)
    assert spent == sum(row["cost"] for row in rows) > 0
    assert left + spent == 1000 * 10**9


def test_one_of_two_is_killed(routers, key):
    """No call fails but those that were in flight on it, and the books are right."""
    one, two = routers
    first, second = one.serve(), two.serve()
    with (
        closing(Balancer(map(port_of, (first, second)))) as balancer,
        closing(Clients(balancer.url, key)) as clients,
    ):
        clients.served(60)
        first.send(signal.SIGSTOP)
        before = balancer.on(port_of(first))
        poll(lambda: set(balancer.on(port_of(first))) - set(before))  # which it never answers
        others = set(balancer.connections) - set(balancer.on(port_of(first)))
        first.kill()
        clients.served(60)
    assert not any(isinstance(error, openai.APIStatusError) for error in clients.failed.values())
    lost = [item for item in set(balancer.connections) - others if item.port == port_of(first)]
    failed = Counter(map(client_of, clients.failed))
    assert failed
    assert failed <= Counter(client_of(item.call) for item in lost)

    one.serve()  # records what the one before had in its journal
    check_books(two, clients.answered)


def test_all_are_restarted_in_turn(routers, key):
    """No call fails at all."""
    running = [project.serve() for project in routers]
    with (
        closing(Balancer(map(port_of, running))) as balancer,
        closing(Clients(balancer.url, key)) as clients,
    ):
        for project, router in zip(routers, running, strict=True):
            clients.served(60)
            assert router.stop() == 0
            clients.served(60)
            balancer.replace(port_of(router), port_of(project.serve()))
        clients.served(60)
    assert clients.failed == {}
    check_books(routers[0], clients.answered)
