"""What the tests stand on: real processes for whole stories, one application for the rest."""

import asyncio
import shutil
import socket
import tomllib
import uuid
from contextlib import suppress
from dataclasses import replace

import openai
import pytest
from tornado.platform.asyncio import AsyncIOLoop

from tornado_router.accounts import keys, registration
from tornado_router.config.options import ServerOptions
from tornado_router.http.body_limit import DISCARDED_BODIES
from tornado_router.http.fronts import make_front
from tornado_router.runtime.loaded_config import load_config
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.storage.storage import Storage

from . import upstream as upstream_module
from .browser import browser
from .place import Place
from .postgres import postgres_server
from .support import ECHO, Project, Upstream, vendor

ROUTER_TOML = f"""
[server]
port = 0
[log]
format = "json"
{ECHO}
[routes."after-claude/*"]
targets = ["claude/*", "well/ok"]
[routes.omni-moderation-latest]
targets = ["up/ok"]
[routes.chat-first]
targets = ["chatty/ok", "up/ok"]
[routes.renamed]
targets = ["up/ok"]
[routes."team/renamed"]
targets = ["up/ok"]
[prices."up/ok:drawn"]
images = [{{price = 0.04}}, {{price = 0.01, size = "1x1", quality = "low"}}]
"""

SCRIPTS = 200
"""Each test that fails a target on purpose takes another: one that fails often is left out."""

DATABASES = ("sqlite", "postgresql")

FALLBACKS = [
    *(f"up/{name}" for name in upstream_module.BEHAVIOURS),
    *(f"up/status:{code}" for code in (400, 401, 403, 404, 422, 429, 500, 503, 529)),
    *(f"up/plain-status:{code}" for code in (413, 415, 429, 500)),
    "up/endless:500",
    *(f"up/script:{number}" for number in range(SCRIPTS)),
    *("nobody/x", "full/x", "plaintls/x", "late/hang", "short/hang", "silent/hang-in-body"),
]
"""Each is the first target of a route `after-PROVIDER/MODEL`, whose second is healthy."""


@pytest.fixture(scope="session")
def upstream_process(tmp_path_factory):
    process = Upstream(tmp_path_factory.mktemp("upstream"))
    yield process
    faults = [item["fault"] for item in process._log() if item["fault"]]
    process.kill()
    assert not faults, "upstream.py is at fault:\n" + "\n".join(faults)


@pytest.fixture
def upstream(upstream_process):
    """The upstream, which has received nothing yet."""
    upstream_process.forget()
    return upstream_process


@pytest.fixture(scope="session")
def closed_port():
    """A port that nobody listens on, and nobody else can take meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture(scope="session")
def full_port():
    """A port whose server accepts nobody, so that connecting takes for ever."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for client in (first, second):
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(server.getsockname())
        yield server.getsockname()[1]


@pytest.fixture(scope="session")
def router_toml(upstream_process, closed_port, full_port):
    """The configuration of `router`.

    `up` offers every behaviour of upstream.py by its bare name, so that bodies pass untouched, and
    as `up/NAME`. The others fail in one way each. `well` is healthy: what routes fall back to.
    """
    url, port = upstream_process.url, upstream_process.port
    models = ", ".join(f'"{name}"' for name in upstream_module.BEHAVIOURS)
    team = 'headers = {"X-Team" = "blue", "X-Cost-Center" = "4711"}'
    accounts = ('organization = "org-vendor"', 'project = "proj-vendor"', team)
    tables = [
        vendor("up", f"{url}/v1", *accounts, f'models = [{models}, "*"]'),
        vendor("well", f"{url}/well/v1"),
        vendor("keyless", f"{url}/keyless/v1", key=None),
        vendor("modest", f"{url}/v1", "stream_usage = false"),
        vendor("nobody", f"http://127.0.0.1:{closed_port}/v1"),
        vendor("full", f"http://127.0.0.1:{full_port}/v1", "connect_timeout = 0.2"),
        vendor("late", f"{url}/v1", "first_byte_timeout = 0.2"),
        vendor("silent", f"{url}/v1", "between_bytes_timeout = 0.2"),
        vendor("short", f"{url}/v1", "total_timeout = 1.0"),
        vendor("plaintls", f"https://127.0.0.1:{port}/v1"),
        vendor("chatty", f"{url}/v1", kind="deepseek"),
        vendor("claude", url, kind="anthropic"),
        *(
            f'[routes."after-{target}"]\ntargets = ["{target}", "well/ok"]\n'
            for target in FALLBACKS
        ),
    ]
    return ROUTER_TOML + "".join(tables)


def pytest_generate_tests(metafunc):
    """With `--database both`, whatever needs a database is run on each, unless marked otherwise."""
    if metafunc.config.getoption("database") == "both" and needs_database(metafunc):
        databases = DATABASES if stands_on_postgresql(metafunc.definition) else DATABASES[:1]
        metafunc.parametrize("database_server", databases, indirect=True, scope="session")


def pytest_collection_modifyitems(config, items):
    """With `--database postgresql`, nothing is run that a database says nothing of."""
    if config.getoption("database") != "postgresql":
        return
    kept = [item for item in items if needs_database(item) and stands_on_postgresql(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def needs_database(test):
    return "database_server" in getattr(test, "fixturenames", ())


def stands_on_postgresql(item):
    """Whether a test that needs a database says something of PostgreSQL, too."""
    return not (item.get_closest_marker("sqlite") or item.get_closest_marker("sqlite_suffices"))


@pytest.fixture(scope="session")
def database_server(request):
    """Where databases are made, or None for files."""
    if getattr(request, "param", request.config.getoption("database")) == "sqlite":
        yield None
        return
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory):
    """A database in a file, as every test begins with: to copy it is faster than to migrate."""
    path = tmp_path_factory.mktemp("migrated") / "router.db"
    Storage(path).close()
    return path


@pytest.fixture
def place(database_server, tmp_path, migrated_file):
    """Of the test's own database, which is migrated."""
    if database_server is None:
        path = tmp_path / "data" / "router.db"
        path.parent.mkdir(mode=0o700)
        shutil.copy(migrated_file, path)
        yield Place(path)
        return
    url = database_server.create(migrated=True)
    yield Place(url)
    database_server.give_back(url)


@pytest.fixture
def empty_place(database_server, tmp_path):
    """Of the test's own database, with nothing in it."""
    if database_server is None:
        return Place(tmp_path / "data" / "router.db")
    return Place(database_server.create())


@pytest.fixture(scope="session")
def router_process(tmp_path_factory, router_toml, database_server, request):
    url = database_server.create(migrated=True) if database_server else ""
    http = request.config.getoption("http")
    toml = with_front(router_toml, http) if http else router_toml
    project = Project(tmp_path_factory.mktemp("router"), {"router.toml": toml}, url)
    yield project.serve()
    project.close()


@pytest.fixture
def router(router_process):
    """A serving router that all cheap tests share; its log is checked behind each."""
    yield router_process
    router_process.check_log()


@pytest.fixture
def router_project(tmp_path, database_server, http_front):
    """Builds a deployment from its files, to be served and asked; stopped behind the test."""
    projects = []

    def build(files):
        if http_front != ServerOptions().http and "router.toml" in files:
            files = {**files, "router.toml": with_front(files["router.toml"], http_front)}
        folder = tmp_path / f"project{len(projects)}"
        folder.mkdir()
        url = database_server.create(migrated=True) if database_server else ""
        projects.append(Project(folder, files, url))
        return projects[-1]

    yield build
    for project in projects:
        project.close()
        if project.url and database_server:
            database_server.give_back(project.url)


@pytest.fixture
def cold_starts(monkeypatch):
    """Every process of a project starts as an operator starts it: for tests of the start."""
    monkeypatch.setattr(Project, "cold", True)


def with_front(text, http):
    """A router.toml that names the front, unless it is not valid anyway."""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text
    table, option = "[server]\n", f'http = "{http}"\n'
    return text.replace(table, table + option) if table in text else f"{table}{option}\n{text}"


@pytest.fixture(scope="session")
def scripts():
    return iter(range(SCRIPTS))


@pytest.fixture
def scripted(scripts):
    """A model that plays the script of a request; `after-` it is a route with another behind it."""
    return f"up/script:{next(scripts)}"


@pytest.fixture
def client(router):
    """The official SDK, as anybody would set it up."""
    with openai.OpenAI(base_url=router.url, api_key=router.key, max_retries=0) as sdk:
        yield sdk


@pytest.fixture
def request_id():
    """An id for one request, to find its usage row and log line by."""
    return f"test-{uuid.uuid4().hex}"


# In this process, for tests of one module


@pytest.fixture
def io_loop():
    """pytest-tornado's own makes its loop current in a way that Tornado warns of."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    io_loop = AsyncIOLoop(asyncio_loop=loop, make_current=False)
    yield io_loop
    asyncio.set_event_loop(None)
    io_loop.close(all_fds=True)


@pytest.fixture
def app_files():
    """The files of `app`; a test module overrides this for a configuration of its own."""
    return {"router.toml": ECHO}


@pytest.fixture
def app(io_loop, tmp_path, app_files, place):
    """The router in this process, which `http_server` serves."""
    for name, text in app_files.items():
        (tmp_path / name).write_text(text)
    loaded = load_config(tmp_path / "router.toml", {})

    async def make():
        return RouterProcess(loaded, Storage(place.location))

    router = io_loop.run_sync(make)
    yield router
    io_loop.run_sync(router.close)


@pytest.fixture
def http_front(request):
    """What serves, as `[server] http` has it; a test module overrides this to try every front."""
    return request.config.getoption("http") or ServerOptions().http


@pytest.fixture
def http_server(io_loop, app, http_front, _unused_port):
    """Serves `app` as a router does; pytest-tornado's own knows another server."""
    bounds = app.services.bounds

    async def serve():
        bounds.start()
        options = replace(app.loaded.config.server, http=http_front)
        front = make_front(app.application, bounds, options, DISCARDED_BODIES)
        await front.listen([_unused_port[0]])
        return front

    async def stop(front):
        front.stop_listening()
        await front.close()
        bounds.close()

    front = io_loop.run_sync(serve)
    yield front
    io_loop.run_sync(lambda: stop(front))


@pytest.fixture(scope="session")
def browser_address(tmp_path_factory):
    """Where a real browser takes commands; see `browser.Tab`."""
    with browser(tmp_path_factory.mktemp("browser")) as address:
        yield address


@pytest.fixture
def key(app):
    """An API key of `app`."""
    return app.storage.call(lambda: keys.create_key(registration.create_administrator(), "test"))
