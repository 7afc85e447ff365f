"""What a key, and its user's plan, permit a call."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache

from tornado_router.accounts.key_lookup import Key
from tornado_router.error_codes import Refusal
from tornado_router.observability.redaction import LONGEST_NAME, printable_name

_NOTHING = "(?!)"


def check_permissions(endpoint: str, model: str, key: Key) -> None:
    """Refuses what a key, or its user's plan, does not permit.

    Raises:
        ApiError: 403.
    """
    check_endpoint(endpoint, key)
    if key.models and not may_use(model, key):
        if key.plan_models is not None and not _pattern(key.plan_models).match(model):
            raise Refusal.model_not_in_plan(model=printable_name(model), plan=key.plan)
        raise Refusal.model_not_permitted(model=printable_name(model))


def check_endpoint(endpoint: str, key: Key) -> None:
    """Refuses an endpoint that a key does not permit, before it is known which model is meant.

    Raises:
        ApiError: 403.
    """
    if key.endpoints is not None and endpoint not in key.endpoints:
        raise Refusal.endpoint_not_permitted(endpoint=endpoint)


def may_use(model: str, key: Key) -> bool:
    """Whether a key, and its user's plan, permit a model."""
    match = _known_match if len(model) <= LONGEST_NAME else _match
    return match(key.models, model)


def _match(models: tuple[tuple[str, ...], ...], model: str) -> bool:
    return all(_pattern(patterns).match(model) for patterns in models)


_known_match = lru_cache(maxsize=1000)(_match)


@lru_cache(maxsize=1000)
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """What matches a name that any of these wildcard patterns does."""
    return re.compile("|".join(map(translate, patterns)) or _NOTHING)
