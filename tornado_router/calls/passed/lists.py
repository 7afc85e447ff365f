"""Lists of what a vendor keeps: a user's own things alone, in whole pages.

The vendor lists what all users of its account have. So its pages are read, one after the other,
until there are as many of the user's own as were asked for, or no more can come. A request reads a
bounded number of them; the next one goes on there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from tornado_router.calls.passed.request import Query
from tornado_router.endpoints.dialects import ANTHROPIC, Dialect
from tornado_router.endpoints.made_resources import id_of
from tornado_router.error_codes import Failure, Invalid, Refusal

DEFAULT_PAGE, LARGEST_PAGE = 20, 100

MOST_PAGES = 100
"""Of a vendor's, that are read for one page of a user's."""

MOST_PLACES, MOST_IDS = 1000, 100_000
"""That are remembered, and the ids of all of them together: 15 MB."""

_TOKEN, _NEXT_TOKEN = "pageToken", "nextPageToken"

Ask = Callable[[Query], Awaitable[Mapping[str, Any]]]
"""Has the vendor list a page."""


class Cursors(NamedTuple):
    """What a vendor's lists call the places where a page begins or ends."""

    after: str
    before: str


_OPENAI, _ANTHROPIC = Cursors("after", "before"), Cursors("after_id", "before_id")


class Asked(NamedTuple):
    """What a client asks of a list.

    Attributes:
        limit: items of a page at most.
        after: the id behind which to begin; empty for the first page.
        before: the id before which to end; empty for none.
        rest: all else of the query.
    """

    limit: int
    after: str
    before: str
    rest: Query


class Place(NamedTuple):
    """Where a list goes on.

    Attributes:
        cursor: of the vendor's: all before it was read.
        left: the user's ids that were not yet seen.
    """

    cursor: str
    left: frozenset[str]


class Places:
    """Remembers where lists go on, which their clients know by ids of their own alone.

    What it forgets is read once more. A place is forgotten once it is used: if the vendor does not
    know its cursor any more, the next request begins anew.
    """

    def __init__(self) -> None:
        self._places: dict[Hashable, Place] = {}
        self._ids = 0

    def keep(self, key: Hashable, place: Place) -> None:
        """Keeps one; the oldest give way where there are too many, or too many ids."""
        self.take(key)
        self._places[key] = place
        self._ids += len(place.left)
        while len(self._places) > MOST_PLACES or self._ids > MOST_IDS:
            self.take(next(iter(self._places)))

    def take(self, key: Hashable) -> Place | None:
        """The one that is kept under a key."""
        place = self._places.pop(key, None)
        self._ids -= len(place.left) if place else 0
        return place


class Lists:
    """Lists the things of one user.

    Args:
        ask: has the vendor list a page.
        mine: the ids that the user has of what is listed.
        dialect: that the client speaks.
        places: where lists go on.
        name: of the list, in these places.
    """

    def __init__(
        self, ask: Ask, mine: set[str], dialect: Dialect, places: Places, name: Hashable
    ) -> None:
        self._ask = ask
        self._mine = mine
        self._cursors = _ANTHROPIC if dialect is ANTHROPIC else _OPENAI
        self._places = places
        self._name = (name, hash(frozenset(mine)))

    async def page(self, query: Query) -> Mapping[str, Any]:
        """One page.

        Args:
            query: of the request.

        Raises:
            ApiError: 400 or 404, the query cannot be used; or as the vendor says.
        """
        names = {name for name, _ in query}
        if "pageSize" in names or _TOKEN in names:
            return await self._by_tokens(query)
        asked = self._read(query)
        for cursor, name in zip((asked.after, asked.before), self._cursors, strict=True):
            if cursor and cursor not in self._mine:
                raise Refusal.resource_not_found(what="Resource", id=cursor[:100], param=name)
        place = self._places.take(self._key(asked))
        cursor, left = place or Place(asked.before or asked.after, frozenset(self._mine))
        found: list[Any] = []
        for _ in range(MOST_PAGES):
            body = await self._ask(self._query(asked, cursor))
            if _NEXT_TOKEN in body or not _listed(body):
                return await self._by_tokens(query, body)
            items = body["data"]
            own = [item for item in items if id_of(item) in self._mine]
            found = [*own, *found] if asked.before else [*found, *own]
            left -= {id_of(item) for item in own}
            if len(found) > asked.limit or not left or not (body.get("has_more") and items):
                return self._made(body, found, asked, left)
            cursor = id_of(items[0] if asked.before else items[-1])
        if not found:
            self._places.keep(self._key(asked), Place(cursor, left))
            raise Refusal.list_too_long()
        return self._made(body, found, asked, left, cursor)

    def _key(self, asked: Asked) -> Hashable:
        return (self._name, asked.after, asked.before, *asked.rest)

    def _read(self, query: Query) -> Asked:
        values = dict(query)
        used = ("limit", *self._cursors)
        given = values.get("limit", str(DEFAULT_PAGE))
        if not (given.isascii() and given.isdecimal() and len(given) < 6 and int(given) > 0):
            raise Invalid.invalid_value(
                "Invalid 'limit': expected a number of items, 1 at least.", param="limit"
            )
        after, before = (values.get(name, "") for name in self._cursors)
        if after and before:
            raise Invalid.invalid_value(
                f"Invalid '{self._cursors.before}': a page begins or ends at an id, not both.",
                param=self._cursors.before,
            )
        rest = [(name, value) for name, value in query if name not in used]
        return Asked(min(int(given), LARGEST_PAGE), after, before, rest)

    def _query(self, asked: Asked, cursor: str) -> Query:
        name = self._cursors.before if asked.before else self._cursors.after
        at = [(name, cursor)] if cursor else []
        return [*asked.rest, ("limit", str(LARGEST_PAGE)), *at]

    def _made(
        self,
        body: Mapping[str, Any],
        found: Sequence[Any],
        asked: Asked,
        left: frozenset[str],
        cursor: str = "",
    ) -> Mapping[str, Any]:
        """The page as the client gets it, in the vendor's form.

        Args:
            body: the vendor's last page.
            found: the user's own, in their order.
            asked: what the client asks of the list.
            left: the user's ids that were not seen.
            cursor: where the vendor's list goes on; empty where there are more than were asked for,
                or no more.
        """
        shown = found[-asked.limit :] if asked.before else found[: asked.limit]
        has_more = bool(cursor) or len(found) > asked.limit
        if has_more:
            last = id_of(shown[0] if asked.before else shown[-1])
            behind = asked._replace(before=last) if asked.before else asked._replace(after=last)
            more = {id_of(item) for item in found} - {id_of(item) for item in shown}
            self._places.keep(self._key(behind), Place(cursor or last, left | more))
        made = {**body, "data": list(shown), "has_more": has_more}
        for name, at in (("first_id", 0), ("last_id", -1)):
            if name in body or body.get("object") == "list":
                made[name] = id_of(shown[at]) if shown else None
        return made

    async def _by_tokens(
        self, query: Query, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """A page of a vendor's that has more by tokens: those of the user's own in one of them.

        A page may have fewer items than were asked for: https://google.aip.dev/158.
        """
        rest = [(name, value) for name, value in query if name != _TOKEN]
        for _ in range(MOST_PAGES):
            if body is None:
                body = await self._ask(query)
            made, token = self._own(body), body.get(_NEXT_TOKEN)
            if not token or not self._mine:
                return {name: made[name] for name in made if name != _NEXT_TOKEN}
            if any(made[name] for name in made if isinstance(made[name], list)):
                return made
            query, body = [*rest, (_TOKEN, str(token))], None
        return made  # empty, and leads on

    def _own(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A page with the user's own items alone. Beside lists and texts, it has nothing.

        Raises:
            ProviderError: 502, it is another kind of response.
        """
        made: dict[str, Any] = {}
        for name, value in body.items():
            if isinstance(value, list):
                made[name] = [item for item in value if id_of(item) in self._mine]
            elif isinstance(value, Mapping):
                raise Failure.bad_provider_answer("The provider's list is not one.")
            else:
                made[name] = value
        return made


def behind(first: Ask, ids: Collection[str], second: Ask) -> Ask:
    """Lists what is in one place, and behind that what is in another.

    Args:
        first: lists the one.
        ids: of what is there.
        second: lists the other.
    """

    async def ask(query: Query) -> Mapping[str, Any]:
        cursor = dict(query).get(_OPENAI.after, "")
        if not cursor or cursor in ids:
            page = await first(query)
            if page["data"]:
                return {**page, "has_more": True}
            query = [(name, value) for name, value in query if name != _OPENAI.after]
        return await second(query)

    return ask


def _listed(body: Mapping[str, Any]) -> bool:
    return isinstance(body.get("data"), list)
