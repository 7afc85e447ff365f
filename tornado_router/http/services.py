"""What handlers pass requests on to: the objects of a process, and those of one router.toml."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tornado_router.accounts.authenticator import Authenticator
from tornado_router.accounts.client_secrets import ClientSecrets
from tornado_router.accounts.invalidation import Invalidation
from tornado_router.accounts.passwords import Passwords
from tornado_router.accounts.plans import Plans
from tornado_router.accounts.service import Accounts
from tornado_router.accounts.sessions import Sessions
from tornado_router.background.held_memory import HeldMemory
from tornado_router.calls.background_responses import BackgroundResponses
from tornado_router.calls.gateway import Gateway
from tornado_router.calls.passed.story import PassThroughs
from tornado_router.calls.realtime.opening import Sessions as RealtimeSessions
from tornado_router.calls.token_counts import TokenCounts
from tornado_router.config.reader import Config
from tornado_router.http.client_bounds import ClientBounds
from tornado_router.http.descriptions import Descriptions
from tornado_router.http.process_metrics import ProcessMetrics
from tornado_router.http.running_requests import RunningRequests
from tornado_router.ledger.writer import Ledger
from tornado_router.limits.limiter import Limiter
from tornado_router.observability.known_secrets import KnownSecrets
from tornado_router.observability.log import AccessLog
from tornado_router.observability.loop_watchdog import LoopWatchdog
from tornado_router.observability.metrics import Metrics
from tornado_router.plugins.registry import ConfiguredProvider, Plugins
from tornado_router.routing.health import Health
from tornado_router.routing.prices import Prices
from tornado_router.routing.routes import Router
from tornado_router.storage.storage import Storage
from tornado_router.validation import Validator

if TYPE_CHECKING:
    from tornado_router.redis.link import RedisLink


@dataclass(frozen=True)
class Serving:
    """Everything of one reading of a router.toml, so that no request sees parts of two.

    Attributes:
        config: the whole file.
        providers: every configured provider, by name.
        plans: of users.
        accounts: does what is done with accounts and keys.
        router: the names of models.
        prices: of their targets.
        gateway: serves calls.
        validators: of requests, by endpoint, and of counts, by their names.
        counts: counts tokens.
        passed: passes requests on to vendors.
        sessions: opens realtime sessions.
    """

    config: Config
    providers: Mapping[str, ConfiguredProvider]
    plans: Plans
    accounts: Accounts
    router: Router
    prices: Prices
    gateway: Gateway
    validators: Mapping[str, Validator]
    counts: TokenCounts
    passed: PassThroughs
    sessions: RealtimeSessions


@dataclass
class AccountServices:
    """What `Accounts`, and the handlers of accounts, keys and usage, need of this process.

    Attributes:
        storage: the open database.
        invalidation: announces every change of a user or a key, after it was committed.
        limiter: holds the limits of sign-ins, and credits.
        sessions: makes and reads session tokens.
        passwords: hashes and checks them.
    """

    storage: Storage
    invalidation: Invalidation
    limiter: Limiter
    sessions: Sessions
    passwords: Passwords


@dataclass
class ProcessState:
    """What `/health`, `/metrics` and `/v1/models` report of this process.

    Attributes:
        storage: the open database.
        health: of every target.
        ledger: usage on its way to the database.
        plugins: that are installed.
        metrics: of load and losses.
        redis: the link to Redis, or None where none is configured.
        watchdog: of the event loop, once the server listens.
        operator_token: what the command line of this machine shows; empty for none.
        started: when the process started, in seconds since 1970.
    """

    storage: Storage
    health: Health
    ledger: Ledger
    plugins: Plugins
    metrics: ProcessMetrics
    redis: RedisLink | None = None
    watchdog: LoopWatchdog | None = None
    operator_token: str = ""
    started: int = field(default_factory=lambda: int(time.time()))

    @property
    def loop_lag(self) -> float:
        """Seconds that the event loop was late lately, at worst."""
        return self.watchdog.lag if self.watchdog else 0.0

    def measure(self) -> None:
        """Updates the metrics of this process."""
        self.metrics.measure(self.loop_lag)


@dataclass
class Services:
    """What every handler gets; made once, by `runtime.router_process`.

    Attributes:
        serving: what router.toml decides; a reload puts another in its place.
        authenticator: knows API keys.
        client_secrets: makes and reads secrets of realtime sessions.
        upload_secrets: the same of uploads that go on.
        access_log: gets a line for each request.
        metrics: count requests.
        bounds: of what clients hold of this process.
        memory: that bodies of requests and responses hold.
        disk: that forms hold.
        accounts: for the management endpoints.
        secrets: of router.toml, which are not recorded if a client sends one.
        process: for the endpoints that report on this process.
        requests: that are not over.
        background: responses that are made while no client waits.
        descriptions: of the HTTP API.
    """

    serving: Serving
    authenticator: Authenticator
    client_secrets: ClientSecrets
    upload_secrets: ClientSecrets
    access_log: AccessLog
    metrics: Metrics
    bounds: ClientBounds
    memory: HeldMemory
    disk: HeldMemory
    accounts: AccountServices
    secrets: KnownSecrets
    process: ProcessState
    requests: RunningRequests = field(default_factory=RunningRequests)
    background: BackgroundResponses = field(default_factory=BackgroundResponses)
    descriptions: Descriptions = field(default_factory=Descriptions)
