"""Wires the objects of one deployment together, and runs them from start to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from loguru import logger
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.netutil import bind_sockets
from tornado.web import Application

from tornado_router.accounts.authenticator import Authenticator
from tornado_router.accounts.invalidation import Changes, LocalChanges
from tornado_router.accounts.passwords import Passwords
from tornado_router.accounts.plans import Plans
from tornado_router.accounts.sessions import Sessions
from tornado_router.calls.admission import Admission
from tornado_router.calls.dispatch import Dispatcher
from tornado_router.calls.gateway import Gateway, Observer
from tornado_router.calls.response_cache import ResponseCache
from tornado_router.calls.serving import Serving
from tornado_router.calls.tool_state import Memory
from tornado_router.calls.upstream import Upstream
from tornado_router.config.options import seconds
from tornado_router.config.reader import Config
from tornado_router.endpoints import ENDPOINTS
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.http import cors
from tornado_router.http.client_bounds import ClientBounds
from tornado_router.http.connection import connection_of
from tornado_router.http.handlers.base import (
    NotFoundHandler,
    PreflightHandler,
    RefusalHandler,
    RunningRequests,
    Services,
)
from tornado_router.http.process_metrics import ProcessMetrics
from tornado_router.http.tls import read_tls
from tornado_router.http.tornado_front import TornadoFront
from tornado_router.http.urls import route_table
from tornado_router.ledger.record import CallRecord, event_of
from tornado_router.ledger.request_log import RequestRecorder
from tornado_router.ledger.writer import Ledger
from tornado_router.limits import Limiter
from tornado_router.limits.memory import MemoryLimiter
from tornado_router.observability.log import AccessLog
from tornado_router.observability.loop_watchdog import LoopWatchdog
from tornado_router.observability.metrics import Metrics
from tornado_router.observability.telemetry import Telemetry
from tornado_router.plugins.registry import Plugins
from tornado_router.redis.stores import ProcessStore, Store, WriteBehind
from tornado_router.routing.health import Health
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.prices import Prices
from tornado_router.routing.routes import Router
from tornado_router.routing.selection import Selection
from tornado_router.runtime.loaded_config import Deployment
from tornado_router.storage.tables import Storage
from tornado_router.validation import Profile

if TYPE_CHECKING:
    from tornado_router.redis.link import RedisLink
    from tornado_router.redis.subscription import RedisSubscription
    from tornado_router.routing.shared_health import RedisTargets

DISCARDED_BODIES = 8
"""A body of up to this many times the limit is read and thrown away, so that its sender gets to
see the refusal; the connection of a larger one is cut."""

DRAIN_SECONDS = 0.1
"""For this long a stop listens on connections that are kept alive: whoever sends a request is told
that it was the last, instead of finding the connection closed."""

MEASURE_SECONDS = 1.0

WRITES_MAX_BYTES = 16 * 1024 * 1024
"""Of cached responses on their way to Redis; more are not cached while Redis is slow."""

NOTICE_SECONDS = 1.0
"""For this long a stop waits until clients have been told that their calls are cut off."""

CUT_OFF_SECONDS = 5
"""For this long a stop waits until the requests that it cut off have accounted for themselves."""


class RouterApplication(Application):
    """The router as a Tornado application.

    Args:
        deployment: what to serve.
        storage: the open database.

    Attributes:
        deployment: what is served now.
        tls: how connections are encrypted, or None.
        max_body_bytes: the largest body that a handler gets to see.

    Raises:
        ConfigError: the certificate cannot be used.
        LockedError: somebody needs the database alone, such as a router that holds its limits in
            its memory.
    """

    def __init__(self, deployment: Deployment, storage: Storage) -> None:
        config = deployment.config
        self.tls = read_tls(config)
        shares = bool(config.redis.host)
        self._lock = storage.database.share() if shares else storage.database.claim(_stop_second)
        self.deployment = deployment
        self.storage = storage
        self.ledger = Ledger(storage, config.ledger, _journal_folder(config))
        self.access_log = AccessLog(config.log)
        self.recorder = RequestRecorder(storage, config.request_log)
        self.shared = _share_in_redis(config) if config.redis.host else _keep_in_process(config)
        self._health = Health(config.routing)
        if self.shared.targets:
            self._health.on_open = self.shared.targets.tell
            self.shared.targets.listen(self._health.leave_out)
        self._authenticator = Authenticator(
            storage, _plans(config), self.shared.changes, config.auth.key_cache_seconds
        )
        self._output_bounds = OutputBounds(config.limits.default_output_tokens)
        self.metrics = Metrics()
        self._observers: dict[str, Observer] = {
            "the access log": self.access_log.add,
            **_hooks(deployment.plugins),
        }
        self._telemetry = None
        if config.otel.endpoint:
            scheme = "https" if self.tls else "http"
            self._telemetry = Telemetry(
                config.otel,
                scheme,
                models=self.metrics.models,
                targets=self.metrics.targets,
            )
        self._upstreams: dict[str, Upstream] = {}
        self._bounds = ClientBounds(config.server)
        self._retiring: set[asyncio.Task[None]] = set()
        self._secrets: set[str] = set()
        self.services = Services(
            serving=self._prepare(deployment),
            storage=storage,
            changes=self.shared.changes,
            limiter=self.shared.limiter,
            sessions=Sessions(config.auth.jwt_secret, seconds(config.auth.jwt_expires_in)),
            passwords=Passwords(config.auth.bcrypt_rounds),
            authenticator=self._authenticator,
            plugins=deployment.plugins,
            access_log=self.access_log,
            bounds=self._bounds,
            health=self._health,
            ledger=self.ledger,
            metrics=self.metrics,
            process_metrics=ProcessMetrics(
                self.metrics,
                bounds=self._bounds,
                ledger=self.ledger,
                health=self._health,
                upstreams=self._upstreams,
                recorder=self.recorder,
                telemetry=self._telemetry,
                link=self.shared.link,
                tls=self.tls,
            ),
            redis=self.shared.link,
        )
        self.max_body_bytes = config.server.max_body_bytes
        super().__init__(
            route_table(self.services),
            default_handler_class=NotFoundHandler,
            default_handler_args={"services": self.services},
            log_function=lambda handler: None,  # handlers log themselves
        )

    def adopt(self, deployment: Deployment) -> None:
        """Serves by another router.toml from now on; requests that run end by the one before.

        Args:
            deployment: what was read; options that a running router cannot take up must be those
                of the one before.
        """
        changed = {
            name
            for name, item in self.deployment.providers.items()
            if deployment.providers.get(name) is not item
        }
        old = [self._upstreams.pop(name) for name in changed if name in self._upstreams]
        self._health.forget(changed)
        self._health.configure(deployment.config.routing)
        self.services.serving = self._prepare(deployment)
        self._authenticator.use(self.services.serving.plans)
        self.deployment = deployment
        if old:
            task = asyncio.get_running_loop().create_task(self._retire(old), name="old connections")
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    def _prepare(self, deployment: Deployment) -> Serving:
        config = deployment.config
        # Calls that began before a reload may still show the secrets of the file before.
        self._secrets |= set(deployment.secrets())
        self.recorder.keep_out(sorted(self._secrets))
        for item in deployment.providers.values():
            if item.provider and item.name not in self._upstreams:
                self._upstreams[item.name] = Upstream(item.name, item.common)
        router = Router(deployment.providers, config.routes)
        self.metrics.models.keep(router.names())
        self.metrics.targets.keep(target.model for target in router.targets())
        prices = Prices(config.prices, config.pricing, deployment.providers)
        cuts_streams = config.auth.revoked_streams == "cut"
        return Serving(
            config=config,
            providers=deployment.providers,
            plans=_plans(config),
            router=router,
            gateway=Gateway(
                router,
                Selection(config.targets, self._health, prices),
                Admission(
                    self.shared.limiter,
                    prices,
                    self._output_bounds,
                    refuse_unpriced=config.pricing.unpriced == "refuse",
                ),
                Dispatcher(
                    deployment.providers,
                    dict(self._upstreams),
                    self.shared.memory,
                    self._health,
                    config.routing,
                ),
                recorder=self.recorder,
                cache=ResponseCache(
                    self.shared.responses,
                    config.cache,
                    {item.name: item.fingerprint for item in deployment.providers.values()},
                ),
                ledger=self.ledger,
                metrics=self.metrics,
                observers=self._observers,
                telemetry=self._telemetry,
                is_revoked=self._authenticator.is_revoked if cuts_streams else None,
                is_stopping=lambda: self.services.cutting_off,
                answer_model=config.routing.answer_model,
            ),
            validators={
                name: endpoint.validator(cast(Profile, config.validation.profile))
                for name, endpoint in ENDPOINTS.items()
            },
        )

    async def _retire(self, upstreams: Sequence[Upstream]) -> None:
        """Closes connections once the requests are over that may use them."""
        try:
            await self.services.requests.present_ended()
        finally:
            for upstream in upstreams:
                await upstream.close()

    def find_handler(  # type: ignore[override]  # Tornado names a private class there
        self, request: HTTPServerRequest, **kwargs: Any
    ) -> HTTPMessageDelegate:
        """Tornado asks this for every request; adds the bound on its body."""
        self.services.bounds.receiving(connection_of(request))
        if cors.is_preflight(request.method or "", request.headers) and cors.is_allowed(
            self.services.serving.config.cors, request.headers.get("Origin", "")
        ):
            services = {"services": self.services}
            delegate = self.get_handler_delegate(request, PreflightHandler, services)
        else:
            delegate = super().find_handler(request, **kwargs)
        length = request.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) <= self.max_body_bytes:
            return delegate  # Tornado takes no more than was announced
        if "Transfer-Encoding" in request.headers or length:
            return _BoundedBody(self, request, delegate)
        return delegate

    def refuse(self, request: HTTPServerRequest, error: ApiError) -> HTTPMessageDelegate:
        """What answers a request with an error, whatever else comes of it."""
        return self.get_handler_delegate(
            request, RefusalHandler, {"services": self.services, "error": error}
        )

    async def close(self) -> None:
        """Writes what is left to write and closes what is open. Nothing may run any more.

        A database, Redis or collector that hangs holds it up for some ten seconds at the most.
        """
        self.storage.stop()
        async with AsyncExitStack() as later:  # the last first, and each whatever became of others
            later.push_async_callback(self._close_database)
            later.callback(self.services.passwords.close)
            later.push_async_callback(self._close_writers)
            for upstream in self._upstreams.values():
                later.push_async_callback(upstream.close)
            for task in self._retiring:
                task.cancel()
            await asyncio.gather(*self._retiring, return_exceptions=True)

    async def _close_writers(self) -> None:
        """Has everything written that waits, at the same time: each may wait for a while."""
        closes = [self.ledger.close, self.recorder.close, self.access_log.close]
        if self._telemetry:
            closes.append(self._telemetry.close)
        await _all(self.shared.close(), *map(asyncio.to_thread, closes))

    async def _close_database(self) -> None:
        closes = [self.storage.close]
        if self._lock:
            closes.append(self._lock.release)
        await _all(*map(asyncio.to_thread, closes))


class Server:
    """The listening server of one deployment.

    Args:
        application: what to serve.
        config: where to listen, and how to stop.
    """

    def __init__(self, application: RouterApplication, config: Config) -> None:
        self._application = application
        self._options = config.server
        self._bounds = application.services.bounds
        self._front = TornadoFront(
            application, self._bounds, config.server, DISCARDED_BODIES, application.tls
        )

    async def start(self, sockets: list[socket.socket] | None = None) -> int:
        """Begins to listen; returns the port.

        Args:
            sockets: to listen on; None for those of the configured address.

        Raises:
            OSError: the address cannot be listened on.
        """
        if sockets is None:
            sockets = bind_sockets(self._options.port, self._options.host, backlog=1024)
        await self._front.listen(sockets)
        plugins = self._application.services.plugins.found
        self._bounds.start()
        self._watchdog = LoopWatchdog({plugin.package: plugin.label for plugin in plugins})
        self._application.services.watchdog = self._watchdog
        self._measure()
        return int(sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stops listening, lets running requests end up to the configured time, and closes.

        Calls that take longer are cut off, and their clients told so.
        """
        services = self._application.services
        services.stopping = True
        self._front.stop_listening()
        if services.requests.count:
            count = services.requests.count
            running = "1 request still runs" if count == 1 else f"{count} requests still run"
            logger.info("stopping: {}", running)
        drained = await self._drain(services.requests, self._options.shutdown_seconds)
        # At once, before another request begins on a connection: it would be cut off half-way.
        services.cutting_off = True
        if not drained:
            logger.warning("stopping: {} requests are cut off", services.requests.count)
            services.requests.cut_off()
            await self._drain(services.requests, NOTICE_SECONDS)
        await self._front.close()
        await services.requests.finished(CUT_OFF_SECONDS)
        self._timer.cancel()
        self._watchdog.close()
        self._bounds.close()
        await self._application.close()

    def _measure(self) -> None:
        """What is done now and then.

        It is taken down how this process is, for when another worker is asked for metrics.
        """
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(MEASURE_SECONDS, self._measure)
        self._application.recorder.tidy()
        self._application.services.measure()

    async def _drain(self, requests: RunningRequests, seconds: float) -> bool:
        """Waits until no request runs and no answer is on its way; False if it takes too long."""
        deadline = time.monotonic() + seconds
        while await requests.finished(deadline - time.monotonic()):
            await asyncio.sleep(DRAIN_SECONDS if self._bounds.connections else 0)
            if not requests.count and not any(item.unsent for item in self._bounds.connections):
                return True
            if time.monotonic() >= deadline:  # which `finished` does not heed if nothing runs
                break
        return False


def _stop_second() -> None:
    """Stops this process, as another router has taken its place at the database."""
    logger.critical(
        "another router took the database over while this one could not reach it: this one stops; "
        "for several, limits have to be shared: configure [redis]"
    )
    os.kill(os.getpid(), signal.SIGTERM)


async def run_until_stopped(server: Server, stop: asyncio.Event) -> None:
    """Runs a started server until SIGTERM, SIGINT, or the event, and stops it."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop()
    logger.info("stopped")


class _BoundedBody(HTTPMessageDelegate):
    """Passes a request on to its handler, but a body over the limit to a refusal.

    Tornado itself cuts the connection of such a request, so that its sender never learns why.
    """

    def __init__(
        self,
        application: RouterApplication,
        request: HTTPServerRequest,
        delegate: HTTPMessageDelegate,
    ) -> None:
        self._application = application
        self._request = request
        self._delegate = delegate
        self._room = application.max_body_bytes

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
        length = headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._room:
            self._refuse()
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        if self._room < 0:
            return None
        self._room -= len(chunk)
        if self._room < 0:
            self._refuse()
            return None
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()

    def _refuse(self) -> None:
        self._room = -1
        error = Invalid.request_too_large(limit=self._application.max_body_bytes)
        self._delegate = self._application.refuse(self._request, error)


async def _all(*closing: Awaitable[None]) -> None:
    """Waits for all of them, and only then raises what went wrong."""
    for outcome in await asyncio.gather(*closing, return_exceptions=True):
        if outcome is not None:
            raise outcome


def _plans(config: Config) -> Plans:
    return Plans(config.plans, config.auth.default_plan)


def _journal_folder(config: Config) -> Path:
    path = config.ledger.journal or f"{config.database.path}.journal"
    return config.folder / path


@dataclass(frozen=True)
class _Shared:
    """What all routers of a deployment know together, be they one process or many.

    Attributes:
        responses: the response cache.
        link: to Redis, or None where there is one process.
        subscription: what comes through it.
        targets: what the processes tell each other of those that fail.
    """

    memory: Memory
    responses: Store
    changes: Changes
    limiter: Limiter
    link: RedisLink | None = None
    subscription: RedisSubscription | None = None
    targets: RedisTargets | None = None

    async def close(self) -> None:
        """Settles what is on its way, and hangs up."""
        async with AsyncExitStack() as later:  # the last first, and each whatever became of others
            if self.link:
                later.push_async_callback(self.link.close)
            if self.subscription:
                later.push_async_callback(self.subscription.close)
            for part in (self.responses, self.memory, self.changes, self.limiter):
                later.push_async_callback(part.close)


def _keep_in_process(config: Config) -> _Shared:
    return _Shared(
        Memory(ProcessStore(config.memory.max_bytes), config.memory.seconds),
        ProcessStore(config.cache.max_bytes),
        LocalChanges(),
        MemoryLimiter(),
    )


def _share_in_redis(config: Config) -> _Shared:
    # 7 MB, which a router without Redis has no use for
    from tornado_router.accounts.redis_invalidation import RedisChanges  # noqa: PLC0415
    from tornado_router.limits.guarded import GuardedLimiter  # noqa: PLC0415
    from tornado_router.limits.redis import RedisLimiter  # noqa: PLC0415
    from tornado_router.redis.link import RedisLink  # noqa: PLC0415
    from tornado_router.redis.redis_store import RedisStore  # noqa: PLC0415
    from tornado_router.redis.subscription import RedisSubscription  # noqa: PLC0415
    from tornado_router.routing.shared_health import RedisTargets  # noqa: PLC0415

    link = RedisLink(config.redis_location)
    subscription = RedisSubscription(config.redis_location)
    remote = RedisLimiter(link, config.limits.lease_seconds)
    processes = max(config.limits.processes, config.server.workers)
    limits = replace(config.limits, processes=processes)
    return _Shared(
        Memory(RedisStore(link, config.memory.max_bytes), config.memory.seconds),
        WriteBehind(RedisStore(link, config.cache.max_bytes), WRITES_MAX_BYTES),
        RedisChanges(link, subscription),
        GuardedLimiter(remote, MemoryLimiter(), limits),
        link,
        subscription,
        RedisTargets(link, subscription),
    )


def _hooks(plugins: Plugins) -> dict[str, Observer]:
    """The plugins that want to hear of finished requests; pluggy is not asked if there are none."""

    def observer(implementation: Any) -> Observer:
        def observe(record: CallRecord) -> None:
            # As pluggy calls it: with those of the arguments that it takes.
            names = implementation.argnames
            implementation.function(**(dict.fromkeys(names, event_of(record)) if names else {}))

        return observe

    hook = plugins.manager.hook.request_finished
    return {
        f"the plugin {implementation.plugin_name}": observer(implementation)
        for implementation in hook.get_hookimpls()
    }
