"""Wires the objects of one process of the router together, and takes up a changed router.toml."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from typing import Any, cast

from loguru import logger

from tornado_router.accounts.authenticator import Authenticator
from tornado_router.accounts.client_secrets import UPLOADS, ClientSecrets
from tornado_router.accounts.passwords import Passwords
from tornado_router.accounts.plans import Plans
from tornado_router.accounts.service import Accounts
from tornado_router.accounts.sessions import Sessions
from tornado_router.background.held_memory import HeldMemory
from tornado_router.background.supervisor import start_task
from tornado_router.calls.account import CallAccounts, Observer
from tornado_router.calls.admission import Admission
from tornado_router.calls.dispatch import Dispatcher
from tornado_router.calls.gateway import Gateway
from tornado_router.calls.origins import Origins
from tornado_router.calls.passed.story import PassThroughs
from tornado_router.calls.realtime.dialing import Dialer
from tornado_router.calls.realtime.opening import Sessions as RealtimeSessions
from tornado_router.calls.resources import Resources
from tornado_router.calls.response_cache import ResponseCache
from tornado_router.calls.stored_responses import StoredResponses
from tornado_router.calls.token_counts import TokenCounts
from tornado_router.calls.upstream import Upstream, open_upstream
from tornado_router.config.declaration import duration_seconds
from tornado_router.config.reader import Config
from tornado_router.endpoints.validators import Validators
from tornado_router.http.application import RouterApplication
from tornado_router.http.client_bounds import ClientBounds
from tornado_router.http.process_metrics import ProcessMetrics
from tornado_router.http.services import AccountServices, ProcessState, Services, Serving
from tornado_router.http.tls import read_tls
from tornado_router.ledger.record import event_of
from tornado_router.ledger.request_log import RequestRecorder
from tornado_router.ledger.writer import Ledger
from tornado_router.observability.known_secrets import KnownSecrets
from tornado_router.observability.log import AccessLog
from tornado_router.observability.metrics import Metrics
from tornado_router.observability.telemetry import Telemetry
from tornado_router.plugins.registry import Plugins
from tornado_router.routing.health import Health
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.prices import Prices
from tornado_router.routing.routes import Router
from tornado_router.routing.selection import Selection
from tornado_router.runtime.batch_tasks import BatchTasks
from tornado_router.runtime.books import RouterBooks
from tornado_router.runtime.loaded_config import LoadedConfig
from tornado_router.runtime.passed_requests import make_passed
from tornado_router.runtime.shared import keep_in_process, share_in_redis
from tornado_router.storage.private_files import kept_token
from tornado_router.storage.storage import Storage
from tornado_router.validation import Profile


class RouterProcess:
    """One process of the router. To be made on the running event loop.

    Args:
        loaded: what to serve.
        storage: the open database.
        secrets: that the log keeps out; those of each router.toml are added.

    Attributes:
        loaded: what is served now.
        application: serves requests.
        services: what its handlers use.
        tls: how connections are encrypted, or None.
        shared: the state that all processes of the deployment share.

    Raises:
        ConfigError: the certificate cannot be used.
        LockedError: the database is in exclusive use, such as by a router that holds its limits in
            its memory.
    """

    def __init__(
        self, loaded: LoadedConfig, storage: Storage, secrets: KnownSecrets | None = None
    ) -> None:
        config = loaded.config
        self.tls = read_tls(config)
        shares = bool(config.redis.host)
        self._lock = storage.database.share() if shares else storage.database.claim(_stop_second)
        self.loaded = loaded
        self.storage = storage
        self.ledger = Ledger(storage, config.ledger, config.journal_folder)
        self._known_secrets = secrets or KnownSecrets()
        self.access_log = AccessLog(config.log, secrets=self._known_secrets)
        self.recorder = RequestRecorder(storage, config.request_log)
        self.shared = (
            share_in_redis(config, RouterBooks(storage, self.ledger))
            if shares
            else keep_in_process(config)
        )
        self.metrics = Metrics()
        self._health = Health(config.routing)
        if self.shared.targets:
            self._health.on_open = self.shared.targets.publish
            self.shared.targets.listen(self._health.leave_out)
        self._authenticator = Authenticator(
            storage, _plans(config), self.shared.invalidation, config.auth.key_cache_seconds
        )
        self._account_services = AccountServices(
            storage,
            self.shared.invalidation,
            self.shared.limiter,
            Sessions(config.auth.jwt_secret, duration_seconds(config.auth.jwt_expires_in)),
            Passwords(config.auth.bcrypt_rounds),
        )
        self._output_bounds = OutputBounds(config.limits)
        self._observers: dict[str, Observer] = {
            "the access log": self.access_log.add,
            **_hooks(loaded.plugins),
        }
        self._telemetry = self._make_telemetry(config)
        self._memory = HeldMemory(config.server.max_memory)
        self._disk = HeldMemory(config.server.max_disk)
        self._upstreams: dict[str, Upstream] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._secrets: set[str] = set()
        self._resources = Resources(storage)
        self.services = self._make_services(loaded)
        self._batches = BatchTasks(self.services, is_alone=not shares)
        self.application = RouterApplication(self.services, config.server.max_body_bytes)

    def adopt(self, loaded: LoadedConfig) -> None:
        """Serves by another router.toml from now on; requests that run end by the one before.

        Args:
            loaded: what was read; options that a running router cannot take up must be those
                of the one before.
        """
        changed = {
            name
            for name, item in self.loaded.providers.items()
            if loaded.providers.get(name) is not item
        }
        old = [self._upstreams.pop(name) for name in changed if name in self._upstreams]
        self._health.forget(changed)
        self._health.configure(loaded.config.routing)
        self.services.serving = self._prepare(loaded)
        self._authenticator.use(self.services.serving.plans)
        self.loaded = loaded
        if old:
            task = start_task("old connections", self._retire(old))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def close(self) -> None:
        """Writes what is left to write and closes what is open. Nothing may run any more.

        A database, Redis or collector that hangs holds it up for some ten seconds at the most.
        """
        await self._batches.close()
        await self.services.background.close()
        self.metrics.sum_up()
        self.storage.stop()
        async with AsyncExitStack() as later:  # in reverse, each whatever became of the others
            later.push_async_callback(self._close_database)
            later.callback(self._account_services.passwords.close)
            later.push_async_callback(self._close_writers)
            for upstream in self._upstreams.values():
                later.push_async_callback(upstream.close)
            for task in self._retiring:
                task.cancel()
            await asyncio.gather(*self._retiring, return_exceptions=True)

    def _make_telemetry(self, config: Config) -> Telemetry | None:
        if not config.otel.endpoint:
            return None
        return Telemetry(
            config.otel,
            "https" if self.tls else "http",
            models=self.metrics.models,
            targets=self.metrics.targets,
        )

    def _make_services(self, loaded: LoadedConfig) -> Services:
        config = loaded.config
        bounds = ClientBounds(config.server)
        process_metrics = ProcessMetrics(
            self.metrics,
            bounds=bounds,
            memory=self._memory,
            disk=self._disk,
            ledger=self.ledger,
            health=self._health,
            upstreams=self._upstreams,
            recorder=self.recorder,
            telemetry=self._telemetry,
            link=self.shared.link,
            tls=self.tls,
        )
        return Services(
            serving=self._prepare(loaded),
            authenticator=self._authenticator,
            client_secrets=ClientSecrets(config.auth.jwt_secret),
            upload_secrets=ClientSecrets(config.auth.jwt_secret, purpose=UPLOADS),
            access_log=self.access_log,
            metrics=self.metrics,
            bounds=bounds,
            memory=self._memory,
            disk=self._disk,
            accounts=self._account_services,
            secrets=self._known_secrets,
            process=ProcessState(
                self.storage,
                self._health,
                self.ledger,
                loaded.plugins,
                process_metrics,
                self.shared.link,
                operator_token=kept_token(loaded.config.operator_token),
            ),
        )

    def _prepare(self, loaded: LoadedConfig) -> Serving:
        """Makes what a router.toml decides."""
        config = loaded.config
        # Calls that began before a reload may still show the secrets of the file before.
        self._secrets |= set(loaded.secrets())
        self.recorder.keep_out(sorted(self._secrets))
        self._known_secrets.add(self._secrets)
        for item in loaded.providers.values():
            if item.provider and item.name not in self._upstreams:
                self._upstreams[item.name] = open_upstream(
                    item.name, item.common, self._memory, loaded.proxy_variables
                )
        self.metrics.models.keep(loaded.router.names())
        self.metrics.targets.keep(target.model for target in loaded.router.targets())
        services, plans = self._account_services, _plans(config)
        validators = Validators(cast(Profile, config.validation.profile))
        accounts = self._call_accounts(config, loaded.prices)
        gateway = self._make_gateway(loaded, loaded.router, accounts)
        return Serving(
            config=config,
            providers=loaded.providers,
            plans=plans,
            accounts=Accounts(
                services.storage,
                services.passwords,
                services.limiter,
                services.invalidation,
                options=config.auth,
                plans=plans,
            ),
            router=loaded.router,
            prices=loaded.prices,
            gateway=gateway,
            validators=validators,
            counts=TokenCounts(
                loaded.router,
                loaded.providers,
                gateway.ask_provider,
                self.shared.limiter,
                gateway.origins.find,
            ),
            passed=self._make_passed(loaded, accounts, validators),
            sessions=RealtimeSessions(
                gateway,
                accounts,
                Dialer(loaded.providers, dict(self._upstreams), self._health),
                self._authenticator.refresh,
                config.server,
            ),
        )

    def _make_passed(
        self, loaded: LoadedConfig, accounts: CallAccounts, validators: Validators
    ) -> PassThroughs:
        return make_passed(
            loaded,
            dict(self._upstreams),
            accounts,
            validators,
            resources=self._resources,
            services=self._account_services,
            bounds=self._output_bounds,
            plans=_plans(loaded.config),
        )

    def _make_gateway(
        self, loaded: LoadedConfig, router: Router, accounts: CallAccounts
    ) -> Gateway:
        config, prices = loaded.config, loaded.prices
        selection = Selection(config.targets, self._health, prices)
        dispatcher = Dispatcher(
            loaded.providers,
            dict(self._upstreams),
            self.shared.memory,
            self._health,
            config.routing,
            chat_by=selection.chat_by,
        )
        cache = ResponseCache(
            self.shared.responses,
            config.cache,
            {item.name: item.fingerprint for item in loaded.providers.values()},
        )
        stored = StoredResponses(self.storage, config.responses)
        return Gateway(
            router,
            selection,
            cache,
            dispatcher,
            accounts,
            prices=prices,
            stored=stored,
            origins=Origins(stored, self._resources, config.passthrough),
            answer_model=config.routing.answer_model,
        )

    def _call_accounts(self, config: Config, prices: Prices) -> CallAccounts:
        cuts_streams = config.auth.revoked_streams == "cut"
        return CallAccounts(
            admission=Admission(
                self.shared.limiter,
                prices,
                self._output_bounds,
                refuse_unpriced=config.pricing.unpriced == "refuse",
            ),
            ledger=self.ledger,
            recorder=self.recorder,
            metrics=self.metrics,
            observers=self._observers,
            telemetry=self._telemetry,
            is_revoked=self._authenticator.is_revoked if cuts_streams else None,
            is_stopping=lambda: self.services.requests.cutting_off,
        )

    async def _retire(self, upstreams: Sequence[Upstream]) -> None:
        """Closes connections to providers once the requests are over that may use them."""
        try:
            await self.services.requests.present_ended()
            await self.services.background.present_ended()
        finally:
            for upstream in upstreams:
                await upstream.close()

    async def _close_writers(self) -> None:
        """Writes all that waits, at the same time: each may take a while."""
        closes = [self.ledger.close, self.recorder.close, self.access_log.close]
        if self._telemetry:
            closes.append(self._telemetry.close)
        await _all(self.shared.close(), *map(asyncio.to_thread, closes))

    async def _close_database(self) -> None:
        closes = [self.storage.close]
        if self._lock:
            closes.append(self._lock.release)
        await _all(*map(asyncio.to_thread, closes))


def _stop_second() -> None:
    """Stops this process, as another router has taken its place at the database."""
    logger.critical(
        "another router took the database over while this one could not reach it: this one stops; "
        "for several, limits have to be shared: configure [redis]"
    )
    os.kill(os.getpid(), signal.SIGTERM)


async def _all(*closing: Awaitable[None]) -> None:
    """Waits for all of them, and only then raises what went wrong."""
    for outcome in await asyncio.gather(*closing, return_exceptions=True):
        if outcome is not None:
            raise outcome


def _plans(config: Config) -> Plans:
    return Plans(config.plans, config.auth.default_plan)


def _hooks(plugins: Plugins) -> dict[str, Observer]:
    """An observer for each plugin with `request_finished`; without any, pluggy is not called."""

    def observer(implementation: Any) -> Observer:
        function = implementation.function
        if not implementation.argnames:  # as pluggy does, it gets what it takes
            return lambda _: function()
        return lambda record: function(event_of(record))

    hook = plugins.manager.hook.request_finished
    return {
        f"the plugin {implementation.plugin_name}": observer(implementation)
        for implementation in hook.get_hookimpls()
    }
