"""What a call goes on from, and what it names of all that is kept: whose it is, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loguru import logger

from tornado_router.calls.resource_rows import Made, Owner
from tornado_router.calls.resources import Resources
from tornado_router.calls.stored_responses import Origin, StoredResponses
from tornado_router.config.options import PassthroughOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.resource_ids import Named
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import DatabaseAwayError
from tornado_router.observability.redaction import printable_name
from tornado_router.provider import Call

MOST_NAMED = 1000
"""Things that one call may name by their ids."""

_SHOWN = 100


def goes_on(call: Call) -> bool:
    """Whether a call goes on from a response that is kept: see `StoredResponses.origin`."""
    endpoint = ENDPOINTS[call.endpoint]
    return endpoint.previous(call) is not None or bool(endpoint.references(call))


def names_kept(call: Call) -> bool:
    """Whether a call names by an id what is kept; most do not, and nothing is looked up."""
    return goes_on(call) or bool(ENDPOINTS[call.endpoint].resources(call))


class Origins:
    """Finds what calls name.

    Args:
        stored: responses that are kept.
        resources: whose the things are that vendors keep.
        options: `[passthrough]`: if anything is passed on, what is unknown is not there.

    Attributes:
        is_strict: whether anything is passed on, so that things have owners.
    """

    def __init__(
        self, stored: StoredResponses, resources: Resources, options: PassthroughOptions
    ) -> None:
        self._stored = stored
        self._resources = resources
        self._places = frozenset(filter(None, (options.provider, *options.vendors)))
        self.is_strict = bool(self._places)

    async def find(self, call: Call, user_id: int) -> Origin:
        """What a call goes on from, and the one provider that has all that it names.

        Raises:
            ApiError: 400 or 404, that is not there; 503, the database is away.
        """
        origin = await self._stored.origin(call, user_id)
        named = ENDPOINTS[call.endpoint].resources(origin.call)
        return await self._led(origin, named, user_id) if named else origin

    async def note(self, owner: Owner, things: Mapping[str, Sequence[str]]) -> None:
        """Notes whose that is what a vendor keeps of a response. The call never fails by it.

        Args:
            owner: whose response it is.
            things: ids by where they are kept, see `Endpoint.things`.
        """
        made = [Made(name, kind) for kind, names in things.items() for name in names]
        if not made or owner.provider not in self._places:
            return
        try:
            await self._resources.note(owner, made)
        except DatabaseAwayError:
            logger.error("things of user {} are not noted: no database", owner.user_id)

    async def _led(self, origin: Origin, named: Sequence[Named], user_id: int) -> Origin:
        if len(named) > MOST_NAMED:
            raise Invalid.invalid_value(
                f"The request names more than {MOST_NAMED} things by their ids.",
                param=named[0].param,
            )
        owned = await self._resources.find(user_id, {item.id for item in named})
        places = {origin.provider} if origin.provider else None
        for item in named:
            providers = owned.own.get(item.id)
            if providers is None:
                if self.is_strict or item.id in owned.others:
                    raise Refusal.resource_not_found(
                        what="Resource", id=printable_name(item.id)[:_SHOWN], param=item.param
                    )
                continue
            left = set(providers) if places is None else places & set(providers)
            if not left:
                raise Invalid.item_elsewhere(id=item.id[:_SHOWN], param=item.param)
            if places is None:
                origin = origin._replace(param=item.param)
            places = left
        return origin._replace(provider=min(places)) if places else origin
