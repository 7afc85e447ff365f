"""The story of a call: route, targets, cache, admission, dispatch, response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from tornado_router.accounts.key_lookup import Key
from tornado_router.background.held_memory import SLOW_BYTES, request_hold
from tornado_router.calls.account import CallAccount, CallAccounts
from tornado_router.calls.admission import Permit
from tornado_router.calls.client import Client, Envelope
from tornado_router.calls.costs import Costs
from tornado_router.calls.delivery import Delivery
from tornado_router.calls.dispatch import Dispatcher
from tornado_router.calls.missing_model import missing_model
from tornado_router.calls.origins import Origins, names_kept
from tornado_router.calls.permissions import check_permissions
from tornado_router.calls.resource_rows import Owner
from tornado_router.calls.response_cache import CacheControl, CacheEntry, ResponseCache
from tornado_router.calls.stored_responses import Origin, StoredResponses
from tornado_router.endpoints import ENDPOINTS, Endpoint
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError
from tornado_router.provider import Body, Call, Relayed
from tornado_router.routing.prices import Prices
from tornado_router.routing.routes import Route, Router, Target
from tornado_router.routing.selection import Selection
from tornado_router.usage import Usage


class Gateway:
    """Serves calls.

    Args:
        router: knows the targets of each model.
        selection: knows which of them can serve a call, and in which order to try them.
        cache: of responses to equal requests.
        dispatcher: sends calls to targets.
        accounts: of the calls.
        prices: of the targets, for clients that want to know what a call costs.
        stored: responses that clients go on from.
        origins: finds what calls go on from.
        answer_model: what responses call their model: `vendor`, as it does, or `asked`.

    Attributes:
        stored: responses that clients go on from.
        origins: finds what calls go on from.
    """

    def __init__(
        self,
        router: Router,
        selection: Selection,
        cache: ResponseCache,
        dispatcher: Dispatcher,
        accounts: CallAccounts,
        *,
        prices: Prices,
        stored: StoredResponses,
        origins: Origins,
        answer_model: str = "vendor",
    ) -> None:
        self._router = router
        self._selection = selection
        self._cache = cache
        self._dispatcher = dispatcher
        self._accounts = accounts
        self._prices = prices
        self.stored = stored
        self.origins = origins
        self._names_as_asked = answer_model == "asked"
        self._variant = answer_model

    def check_room(self) -> None:
        """Lets no call begin that could not be recorded.

        Raises:
            ApiError: 503.
        """
        if not self._accounts.ledger.takes_more():
            raise Refusal.ledger_full()

    async def run(self, call: Call, envelope: Envelope, client: Client) -> None:
        """Serves one valid call. Whatever becomes of it, it is accounted for once.

        Args:
            call: what the client asked for.
            envelope: what came with it.
            client: takes the response.

        Raises:
            ApiError: the call is refused, or failed before anything of its response was sent.
            ClientLeftError: the client has left.
        """
        async with self._accounts.open(call, envelope) as account:
            route, entry = await self._look_up(account)
            asked, call = call, account.call
            delivery = Delivery(account, client, entry, Costs(self._prices, account))
            permit = await account.admit(route.targets)
            if envelope.let_in:
                await envelope.let_in()
            if len(call.raw) > SLOW_BYTES and (hold := request_hold.get()):
                await hold.turn()  # others waited while it was parsed, and are about to again
            if account.cached:
                await delivery.again(account.cached)
                return
            if len(permit.targets) < len(route.targets):
                route = route.only(permit.targets)
            targets = self.in_order(route, call, permit, envelope.headers)
            endpoint = ENDPOINTS[call.endpoint]
            keep = self._keeps(endpoint, asked, account)
            model = call.model if self._names_as_asked else None
            encoder = endpoint.encoder(call, model) if call.stream else None
            send = partial(
                self._dispatcher.send, call, targets, account.attempts, route.hedge_seconds
            )
            if encoder:
                await delivery.stream(send, encoder, keep)
            else:
                attempt = await send()
                body = attempt.take()
                if keep:
                    keep = partial(keep, body.body if isinstance(body, Relayed) else body)
                await delivery.whole(partial(endpoint.whole, call, body, model), keep)

    async def prepare(self, call: Call, envelope: Envelope) -> None:
        """Accounts for a call that asks for nothing yet, but announces another like it.

        Args:
            call: valid; it has to be one that could be served.
            envelope: what came with it.

        Raises:
            ApiError: it is refused.
        """
        envelope = envelope._replace(cache_control=CacheControl(read=False, write=False))
        async with self._accounts.open(call, envelope) as account:
            await self._look_up(account)
            await account.admit(())
            await account.end(Usage())

    def in_order(
        self, route: Route, call: Call, permit: Permit, headers: Mapping[str, str]
    ) -> Sequence[Target]:
        """The targets of a call that was admitted, in the order in which to try them."""
        return self._selection.order(
            route,
            call,
            permit.prompt,
            permit.output,
            headers=headers,
            amounts=permit.amounts,
        )

    async def ask_provider(self, call: Call, provider: str) -> Body:
        """Has one provider serve a call that costs nothing, such as one for a kept response.

        Raises:
            ApiError: it is not there any more, or cannot, or failed.
        """
        return await self._dispatcher.ask(call, provider)

    async def _look_up(self, account: CallAccount) -> tuple[Route, CacheEntry | None]:
        """The targets that can serve a call, and its place in the response cache, if any.

        All that is refused before admission is refused here, and counts as a request. Permissions
        come before the cache: it must not reveal what was asked of a model that is not permitted.

        Raises:
            ApiError: 404, there are no targets; 400, none of them can; 403; 504, only a cached
                response will do and there is none; 429, the refusal is one request too many.
        """
        call, key, control = account.call, account.envelope.key, account.envelope.cache_control
        try:
            origin = Origin(call)
            if names_kept(call):
                # First: what went before is not looked up for who may not go on from it.
                check_permissions(call.endpoint, call.model, key)
                origin = await self.origins.find(call, key.user_id)
                call = account.call = origin.call
            route = origin.of(self.route(call, account.envelope.chosen, key))
            if route.log_requests:
                account.log(by_route=True)
            check_permissions(call.endpoint, call.model, key)
            entry = self._cache.entry(route, call, key, control, self._variant)
            if entry:
                account.looked_up(await entry.get(), reads=control.read, room=entry.room)
            if control.only_if_cached and not account.cached:
                raise Refusal.not_cached()
        except ApiError:
            await account.refuse()
            raise
        return route, entry

    def _keeps(
        self, endpoint: Endpoint, call: Call, account: CallAccount
    ) -> Callable[[object], Awaitable[None]] | None:
        """What keeps the response, or notes what its vendor does; None if nothing is to be done."""
        is_kept = endpoint.is_kept(call)
        if is_kept or (endpoint.leaves_things(call) and self.origins.is_strict):
            return partial(self._keep, call, account, is_kept)
        return None

    async def _keep(
        self, call: Call, account: CallAccount, is_kept: bool, response: object
    ) -> None:
        """Keeps a response for its user, and notes what is its user's at the vendor.

        That is before its client can ask for it.
        """
        attempt = account.attempts.last
        if attempt is None or not isinstance(response, Mapping):
            return
        key = account.envelope.key
        if attempt.maker:
            owner = Owner(key.user_id, key.id, attempt.maker)
            await self.origins.note(owner, ENDPOINTS[call.endpoint].things(response))
        if is_kept:
            await self.stored.keep(call, key.user_id, attempt.target, response, bool(attempt.maker))

    def route(self, call: Call, chosen: str | None, key: Key) -> Route:
        """The targets that could serve a call.

        Args:
            call: what the client asked for.
            chosen: the target that it wants, as `provider/model`; None for any.
            key: whose call it is.

        Raises:
            ApiError: 404, there are none; 400, none of them can.
        """
        try:
            route = self._router.route(call.model, call.endpoint)
        except ApiError as error:
            if error.code != Invalid.model_not_found.code:
                raise
            raise missing_model(self._router, call.model, key) from None
        if chosen is not None:
            route = _only_chosen(route, chosen)
        return self._selection.able(route, call)


def _only_chosen(route: Route, chosen: str) -> Route:
    targets = [target for target in route.targets if f"{target.provider}/{target.model}" == chosen]
    if not targets:
        raise Invalid.target_not_found(target=chosen[:200])
    return route.only(targets)
