"""What the tests stand on: real processes for whole stories, one application for the rest."""

import asyncio
import socket
import uuid
from contextlib import suppress

import openai
import pytest
from tornado.platform.asyncio import AsyncIOLoop

from tornado_router.accounts import keys, registration
from tornado_router.http.body_limit import DISCARDED_BODIES
from tornado_router.http.tornado_front import TornadoFront
from tornado_router.runtime.loaded_config import load_config
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.storage.storage import Storage

from . import upstream as upstream_module
from .place import Place
from .postgres import postgres_server
from .support import VENDOR_KEY, Project, Upstream

# `up` offers every behaviour of upstream.py by its bare name, so that bodies pass untouched, and
# as `up/NAME`. The others fail in one way each. `well` is healthy: what routes fall back to.
ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[providers.echo]
type = "echo"
models = ["echo"]
[providers.up]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
organization = "org-vendor"
project = "proj-vendor"
headers = {{"X-Team" = "blue", "X-Cost-Center" = "4711"}}
models = [{models}, "*"]
[providers.well]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/well/v1"
[providers.keyless]
type = "openai"
base_url = "{upstream}/keyless/v1"
[providers.modest]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
stream_usage = false
[providers.nobody]
type = "openai"
api_key = "{key}"
base_url = "http://127.0.0.1:{closed_port}/v1"
[providers.full]
type = "openai"
api_key = "{key}"
base_url = "http://127.0.0.1:{full_port}/v1"
connect_timeout = 0.2
[providers.late]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
first_byte_timeout = 0.2
[providers.silent]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
between_bytes_timeout = 0.2
[providers.short]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
total_timeout = 1.0
[providers.plaintls]
type = "openai"
api_key = "{key}"
base_url = "https://127.0.0.1:{upstream_port}/v1"
[providers.chatty]
type = "deepseek"
api_key = "{key}"
base_url = "{upstream}/v1"
[providers.claude]
type = "anthropic"
api_key = "{key}"
base_url = "{upstream}"
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
"""

SCRIPTS = 200
"""Each test that fails a target on purpose takes another: one that fails often is left out."""

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
    """The configuration of `router`; see `ROUTER_TOML`."""
    text = ROUTER_TOML.format(
        key=VENDOR_KEY,
        upstream=upstream_process.url,
        upstream_port=upstream_process.port,
        models=", ".join(f'"{name}"' for name in upstream_module.BEHAVIOURS),
        closed_port=closed_port,
        full_port=full_port,
    )
    for target in FALLBACKS:
        text += f'[routes."after-{target}"]\ntargets = ["{target}", "well/ok"]\n'
    return text


def pytest_collection_modifyitems(config, items):
    """With PostgreSQL, whatever needs a database is run, but for what is marked otherwise."""
    if config.getoption("database") == "sqlite":
        return
    kept = [
        item
        for item in items
        if "database_server" in getattr(item, "fixturenames", ())
        and not item.get_closest_marker("sqlite")
        and not item.get_closest_marker("sqlite_suffices")
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


@pytest.fixture(scope="session")
def database_server(request):
    """Where databases are made, or None for files."""
    if request.config.getoption("database") == "sqlite":
        yield None
        return
    with postgres_server() as server:
        yield server


@pytest.fixture
def place(database_server, tmp_path):
    """Of the test's own database, which is migrated or not even there."""
    if database_server is None:
        yield Place(tmp_path / "data" / "router.db")
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
def router_process(tmp_path_factory, router_toml, database_server):
    url = database_server.create(migrated=True) if database_server else ""
    project = Project(tmp_path_factory.mktemp("router"), {"router.toml": router_toml}, url)
    yield project.serve()
    project.close()


@pytest.fixture
def router(router_process):
    """A serving router that all cheap tests share; its log is checked behind each."""
    yield router_process
    router_process.check_log()


@pytest.fixture
def router_project(tmp_path, database_server):
    """Builds a deployment from its files, to be served and asked; stopped behind the test."""
    projects = []

    def build(files):
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
    return {"router.toml": '[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'}


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
def http_server(io_loop, app, _unused_port):
    """Serves `app` as a router does; pytest-tornado's own knows another server."""
    bounds = app.services.bounds

    async def serve():
        bounds.start()
        options = app.loaded.config.server
        front = TornadoFront(app.application, bounds, options, DISCARDED_BODIES)
        await front.listen([_unused_port[0]])
        return front

    async def stop(front):
        front.stop_listening()
        await front.close()
        bounds.close()

    front = io_loop.run_sync(serve)
    yield front
    io_loop.run_sync(lambda: stop(front))


@pytest.fixture
def key(app):
    """An API key of `app`."""
    return app.storage.call(lambda: keys.create_key(registration.create_administrator(), "test"))
