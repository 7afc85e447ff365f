"""What has to hold before a request is passed on: permission, models, money, and owners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.passed.kept.names import KEPT, is_kept
from tornado_router.calls.passed.request import PassedRequest
from tornado_router.calls.permissions import may_use
from tornado_router.calls.resources import Resources
from tornado_router.endpoints import KNOWN, PASSTHROUGH
from tornado_router.endpoints.dialects import Dialect
from tornado_router.endpoints.passed_paths import PassedPath
from tornado_router.endpoints.resource_ids import Named, ids_in, ids_in_text, is_certain
from tornado_router.error_codes import Refusal
from tornado_router.observability.redaction import printable_name

_FREE = frozenset(("batches", "files", "messages/count_tokens", "skills", "uploads"))
"""Collections of vendors' own APIs whose requests cost nothing, or are paid for elsewhere."""

_COUNTS = frozenset(("countTokens",))
"""Deeds of Google's models that cost nothing."""

_BATCHED = frozenset(("asyncBatchEmbedContent", "batchGenerateContent"))
"""Those whose cost is in no response, as the work is done later."""

_MODEL_FIELDS = frozenset(("model", "base_model"))

_SHOWN = 100


class Gate:
    """Lets requests through.

    Args:
        resources: knows whose things are.
        refuse_unpriced: whether those who pay by the call are refused what has no price.
    """

    def __init__(self, resources: Resources, *, refuse_unpriced: bool) -> None:
        self._resources = resources
        self._refuse_unpriced = refuse_unpriced

    def check_permissions(self, request: PassedRequest, key: Key) -> None:
        """Refuses what a key, or its user's plan, does not permit, and what cannot be paid for.

        Raises:
            ApiError: 403; it says what is not permitted.
        """
        permitted = PASSTHROUGH if request.endpoint.startswith(PASSTHROUGH) else request.endpoint
        if key.endpoints is not None and not {permitted, PASSTHROUGH} & set(key.endpoints):
            raise Refusal.endpoint_not_permitted(endpoint=permitted)
        for model in models_in(request) if key.models else ():
            if not may_use(model, key) and not may_use(f"{request.provider}/{model}", key):
                raise Refusal.model_not_permitted(model=printable_name(model))
        if key.purses and self._refuse_unpriced and _is_unpriced(request):
            raise Refusal.endpoint_not_priced(endpoint=permitted)

    async def check_owners(self, request: PassedRequest, key: Key) -> None:
        """Refuses a request that names what is not its user's, as if that were not there.

        Raises:
            ApiError: 404; 503, the database is away.
        """
        named = [*_in_path(request.path), *_in_query(request), *ids_in(request.json)]
        await self.check(named, key, request.provider, request.path.collection)

    async def check(
        self, named: Sequence[Named], key: Key, provider: str, collection: str = ""
    ) -> None:
        """Refuses ids that are not the user's.

        Args:
            named: what is named.
            key: of who names it.
            provider: that would look for it.
            collection: that the request is for.

        Raises:
            ApiError: 404; 503, the database is away.
        """
        ids = {item.id for item in named}
        kept = set(filter(is_kept, ids))
        own: set[str] = set()
        others: set[str] = set()
        for some, place in ((ids - kept, provider), (kept, KEPT)):
            owned = await self._resources.find(key.user_id, some, place)
            own |= owned.own.keys()
            others |= owned.others
        for item in named:
            if item.id in others or (item.is_certain and item.id not in own):
                raise not_found(item, collection)


def not_found(item: Named, collection: str = "") -> Exception:
    """The refusal of an id that is not there for this user."""
    what = (collection.rpartition("/")[2] or "resource").replace("batches", "batch")
    what = what.removesuffix("s").replace("_", " ")
    return Refusal.resource_not_found(
        what=what.capitalize(), id=printable_name(item.id)[:_SHOWN], param=item.param
    )


def _in_path(path: PassedPath) -> Iterator[Named]:
    if path.owned:
        yield Named(path.owned, "id", is_certain=True)
    for segment in path.inner:
        yield Named(segment, "id", is_certain(segment))


def _in_query(request: PassedRequest) -> Iterator[Named]:
    for name, value in request.query:
        yield from ids_in_text(value, name)
        yield from ids_in_text(name, name)


def models_in(request: PassedRequest) -> Iterator[str]:
    """The models that a request names, anywhere."""
    if request.path.model:
        yield request.path.model
    waiting: list[Any] = [request.json]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            yield from (
                item[name] for name in _MODEL_FIELDS & item.keys() if isinstance(item[name], str)
            )
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _is_unpriced(request: PassedRequest) -> bool:
    """Whether a request costs what no response reports."""
    if request.method in ("GET", "DELETE"):
        return False
    if request.endpoint.startswith(PASSTHROUGH):
        is_free = request.path.collection in _FREE or _deed(request) in _COUNTS
        return not model_of(request) and not is_free
    return bool(getattr(KNOWN[request.endpoint], "spends", False))


def _deed(request: PassedRequest) -> str:
    """What Google's API is to do with the model of a path."""
    return request.path.segments[-1].partition(":")[2] if request.path.model else ""


def model_of(request: PassedRequest) -> str:
    """The model that a request has work; empty if it has none work."""
    is_own = request.endpoint.startswith(PASSTHROUGH)
    if not is_own or request.method != "POST" or request.path.collection in _FREE:
        return ""
    if request.path.model:
        return "" if _deed(request) in (_COUNTS | _BATCHED) else request.path.model
    model = request.json.get("model") if isinstance(request.json, Mapping) else None
    return model if isinstance(model, str) else ""


def form_of(dialect: Dialect) -> str:
    """The name of the endpoint for vendors' own APIs whose errors have a form."""
    return f"{PASSTHROUGH}.{dialect.name.lower()}" if dialect.name else PASSTHROUGH
