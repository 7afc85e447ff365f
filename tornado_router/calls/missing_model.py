"""The refusal of a model that is not there: with what was probably meant, or why it is off."""

from __future__ import annotations

from itertools import islice

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.permissions import may_use
from tornado_router.config.check import nearest
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.observability.redaction import printable_name
from tornado_router.routing.routes import Router, model_not_found

MAX_COMPARED = 300
"""So many names are compared with the one that is not there: some ten milliseconds of work."""

MAX_NAME = 100


def missing_model(router: Router, model: str, key: Key) -> ApiError:
    """A 404 in OpenAI's words, and what the owner of the key may know beyond them.

    Args:
        router: that has no target for it.
        model: that was asked for.
        key: only names that it may use are suggested; a provider that is off is the business of
            administrators.
    """
    error = model_not_found(model)
    if not may_use(model, key) or len(model) > MAX_NAME:
        return error
    off = router.off(model)
    if off:
        if not key.is_admin:
            return error
        reason = ", ".join(f"the provider '{name}' is off ({why})" for name, why in off.items())
        return Invalid.model_is_off(model=printable_name(model), reason=reason)
    names = (name for name in router.alike(model) if may_use(name, key))
    near = nearest(model, islice(names, MAX_COMPARED))
    return Invalid.model_not_found(f"{error.message} Did you mean '{near}'?") if near else error
