"""What is done with batches, by one reading of router.toml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tornado_router.calls.account import CallAccount
from tornado_router.calls.passed.batches import rows
from tornado_router.calls.passed.batches.money import BatchMoney
from tornado_router.calls.passed.batches.poller import BatchPoller
from tornado_router.calls.passed.batches.submission import Submission
from tornado_router.calls.passed.gate import Gate
from tornado_router.calls.passed.kept.keeper import Keeper
from tornado_router.calls.passed.kept.names import KEPT
from tornado_router.calls.passed.kept.submission import KeptSubmission
from tornado_router.calls.passed.request import PassedRequest
from tornado_router.calls.passed.vendor import Source, Vendor
from tornado_router.calls.resource_rows import Owner
from tornado_router.calls.resources import Resources
from tornado_router.config.options import BatchOptions
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import HTTPClient
from tornado_router.routing.routes import Router
from tornado_router.storage.storage import Storage
from tornado_router.validation import Validator


class Batches:
    """Submits batches, looks after them, and shows them as their clients know them.

    Args:
        storage: where they are noted.
        providers: every configured provider, by name.
        clients: the connections of those that are on, by name.
        resources: knows whose things are.
        gate: knows what may be named.
        router: knows the names of models.
        validators: of lines, by endpoint.
        money: holds what batches may cost.
        max_values: of the JSON in a line.
        seconds: between two looks at a batch.
        options: `[batches]`, of those that the router runs itself.

    Attributes:
        seconds: the same.
        options: the same.
    """

    def __init__(
        self,
        storage: Storage,
        providers: Mapping[str, ConfiguredProvider],
        clients: Mapping[str, HTTPClient],
        *,
        resources: Resources,
        gate: Gate,
        router: Router,
        validators: Mapping[str, Validator],
        money: BatchMoney,
        max_values: int | None,
        seconds: float,
        options: BatchOptions,
    ) -> None:
        self.seconds = seconds
        self.options = options
        self._storage = storage
        self._providers = providers
        self._clients = clients
        self._gate = gate
        self._router = router
        self._validators = validators
        self._money = money
        self._max_values = max_values
        self._poller = BatchPoller(storage, resources, money, self._vendor, seconds)

    def keeper(self, user_id: int) -> Keeper:
        """What the router keeps of a user itself."""
        return Keeper(self._storage, self.options, user_id)

    async def submit(self, request: PassedRequest, account: CallAccount, source: Source) -> bytes:
        """Submits a batch; returns its JSON, for the client.

        Raises:
            ApiError: it is refused, or failed.
        """
        key = account.envelope.key
        kept = KeptSubmission(
            self._storage,
            self.keeper(key.user_id),
            Owner(key.user_id, key.id, KEPT),
            request.json,
            is_on=self.options.by_router,
        )
        submission = Submission(
            request,
            account,
            source,
            storage=self._storage,
            gate=self._gate,
            router=self._router,
            validators=self._validators,
            money=self._money,
            max_values=self._max_values,
            seconds=self.seconds,
            kept=kept,
        )
        return await submission.run()

    async def look_after(self) -> None:
        """Looks after those batches that it is time for, and forgets the old ones.

        Raises:
            ApiError: 503, the database is away.
        """
        await self._poller.look_after()
        seconds = self.options.keep_seconds
        more = True
        while more:
            more = await self._storage.run(lambda: rows.delete_settled(seconds))

    async def renamed(self, provider: str, batches: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """The input files of some batches as their clients named them, where those are others.

        Args:
            provider: that keeps them.
            batches: as the vendor has them.

        Raises:
            ApiError: 503, the database is away.
        """
        ids = [found for item in batches if isinstance(found := item.get("id"), str)]
        return await self._storage.run(lambda: rows.own_files(provider, ids)) if ids else {}

    def _vendor(self, provider: str) -> Vendor | None:
        configured = self._providers.get(provider)
        if configured is None or configured.provider is None:
            return None
        return Vendor(configured, self._clients[provider])
