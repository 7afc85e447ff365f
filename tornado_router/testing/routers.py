"""A real router for tests: `running_router` serves a router.toml, with SDKs to call it by.

    with running_router(ROUTER_TOML, tmp_path) as router:
        completion = router.openai().chat.completions.create(
            model="mine/model-1", messages=[{"role": "user", "content": "Hello"}]
        )

It listens on a free port and has a database of its own in the folder, as a router that an operator
starts; it only shares the process of the test, which saves the start of another one.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from multidict import CIMultiDict

from tornado_router.accounts import keys, registration
from tornado_router.accounts.plans import UNLIMITED
from tornado_router.plugins.registry import load_plugins
from tornado_router.provider import Provider, UpstreamResponse
from tornado_router.runtime.loaded_config import LoadedConfig, load_config
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.runtime.server import Server
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import UsageLog, User
from tornado_router.testing.hosting import hosted

if TYPE_CHECKING:
    from anthropic import Anthropic
    from openai import OpenAI

DEADLINE = 60.0
"""Nothing here takes so many seconds; a test that waits longer has found its fault."""


class RunningRouter:
    """A router that serves.

    Attributes:
        url: where it is, such as `http://127.0.0.1:4711`; SDKs of OpenAI want `/v1` behind it.
        key: an API key of its administrator.
        process: what a test may look into that HTTP does not show; not for what it serves by.
    """

    def __init__(self, process: RouterProcess, port: int, clients: ExitStack) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self._clients = clients
        self.key = self.create_key()

    def openai(self, key: str | None = None, **options: Any) -> OpenAI:
        """OpenAI's SDK as a client of this router, closed when that stops.

        Args:
            key: other than the administrator's.
            options: of the SDK's client. It tries nothing again unless they say so.
        """
        from openai import OpenAI  # noqa: PLC0415 - for those alone who have it

        options = {"max_retries": 0, "api_key": key or self.key, **options}
        client = OpenAI(base_url=f"{self.url}/v1", **options)
        return self._clients.enter_context(closing(client))

    def anthropic(self, key: str | None = None, **options: Any) -> Anthropic:
        """Anthropic's SDK as a client of this router, as `openai` is."""
        from anthropic import Anthropic  # noqa: PLC0415 - for those alone who have it

        options = {"max_retries": 0, "api_key": key or self.key, **options}
        return self._clients.enter_context(closing(Anthropic(base_url=self.url, **options)))

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> UpstreamResponse:
        """One plain HTTP request with the administrator's key, and its response, read to its end.

        Args:
            method: such as `POST`.
            path: such as `/v1/responses`.
            body: JSON, or of the content type among the headers.
            headers: more of them, with `_` for `-`.
        """
        sent = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        sent |= {name.replace("_", "-").lower(): value for name, value in headers.items()}
        with closing(HTTPConnection(urlsplit(self.url).netloc, timeout=DEADLINE)) as connection:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            found = CIMultiDict(response.getheaders())
            return UpstreamResponse(response.status, found, response.read())

    def create_key(self, email: str | None = None, **limits: Any) -> str:
        """Makes an API key.

        Args:
            email: of a new user whose key it is; None for the administrator.
            limits: such as `rate_limit_rpm=5`, `budget=Decimal(1)` or `budget_period="month"`.
        """

        def make() -> str:
            plans = self.process.services.serving.plans
            user = (
                registration.create_user(plans, email, actor="test", plan=UNLIMITED)
                if email
                else registration.create_administrator() or User.get(email=registration.ADMIN_EMAIL)
            )
            return keys.create_key(user, "test", **limits)

        return self.process.storage.call(make)

    def usage(self, calls: int) -> list[dict[str, Any]]:
        """The record of so many calls, oldest first, once it is written.

        Raises:
            AssertionError: there are fewer after a while, or there are more.
        """

        def rows() -> list[dict[str, Any]]:
            return list(cast("Any", UsageLog.select().order_by(UsageLog.id).dicts()))

        end = time.monotonic() + DEADLINE
        while len(found := self.process.storage.call(rows)) < calls and time.monotonic() < end:
            time.sleep(0.01)
        assert len(found) == calls, f"{len(found)} calls are recorded, not {calls}"
        return found


@contextmanager
def running_router(
    toml: str,
    folder: Path,
    *,
    environ: Mapping[str, str] = MappingProxyType({}),
    types: Mapping[str, type[Provider]] = MappingProxyType({}),
) -> Iterator[RunningRouter]:
    """A router that serves until the block ends.

    Args:
        toml: text of its router.toml, without `[server] port`.
        folder: for that file, the database and the journal; made if it is not there. A router that
            is started in the folder of another one goes on with its data.
        environ: values for `${NAME}`; the environment of the tests is not looked at.
        types: provider types beside those of the installed plugins, such as one under test.

    Raises:
        ConfigError: with every fault of the router.toml.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "router.toml"
    path.write_text(toml, encoding="utf-8")
    plugins = load_plugins()
    plugins.types.update(types)
    loaded = load_config(path, environ, plugins, server={"port": 0})
    with hosted(_serving(loaded)) as server, ExitStack() as clients:
        yield RunningRouter(*server, clients)


@asynccontextmanager
async def _serving(loaded: LoadedConfig) -> AsyncGenerator[tuple[RouterProcess, int], None]:
    process = RouterProcess(loaded, Storage(loaded.config.database_location))
    server = Server(process)
    try:
        yield process, await server.start()
    finally:
        await server.stop()
