"""Checks bodies against one schema and the cross-field rules that belong to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, reduce
from operator import getitem
from typing import Any

from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.validation.engine import Engine, RustEngine, Violation
from tornado_router.validation.explain import explain
from tornado_router.validation.schema import Profile, Schema, load_schema

Rule = Callable[[Mapping[str, Any]], None]
"""Compares fields of a body, once each by itself is right; raises `ApiError` if it is broken."""

EXPLAINED_VALUES = 10_000
"""How far into a wrong body an explanation looks: it takes some 10 ms of the event loop."""


class Validator:
    """Says whether a body is what an endpoint takes. Made once, used for every request."""

    def __init__(self, engine: Engine, rules: Sequence[Rule] = ()) -> None:
        self._engine = engine
        self._rules = tuple(rules)

    @classmethod
    def load(
        cls, name: str, profile: Profile = "standard", rules: Sequence[Rule] = ()
    ) -> Validator:
        """A validator for a schema, such as `chat.completions.request`.

        Raises:
            FileNotFoundError: there is no such schema.
        """
        return cls(_engine(name, profile), rules)

    @property
    def schema(self) -> Schema:
        """What a body is held against, cross-field rules aside."""
        return self._engine.schema

    def check(self, body: Any) -> None:
        """Lets a body pass, or raises.

        Raises:
            ApiError: 400, with the field at fault as `param`.
        """
        if not self._engine.is_valid(body):
            raise self._refusal(body)
        for rule in self._rules:
            rule(body)

    def _refusal(self, body: Any) -> ApiError:
        # An error copies the value at fault, which in a body of 8 MB takes seconds. So the start
        # of the body is explained, which is the whole of nearly every one.
        violation = self._engine.first_violation(_start(body))
        if violation is not None:
            violation = _in_whole(body, violation)
        if violation is not None:
            return explain(violation)
        return Invalid.invalid_value(
            "The body does not have the form that this endpoint takes; the fault lies behind its "
            f"first {EXPLAINED_VALUES} values."
        )


@cache
def _engine(name: str, profile: Profile) -> Engine:
    """One for all validators of a schema: it takes some 10 ms to make, and a megabyte or two."""
    return RustEngine(load_schema(name, profile))


def _in_whole(body: Any, violation: Violation) -> Violation | None:
    """What was found in the start of a body, as it is in the whole; None if it is not."""
    missing = violation.keyword == "required"
    instance = reduce(getitem, violation.path[:-1] if missing else violation.path, body)
    needs_more = missing or violation.keyword == "minItems"
    if needs_more and len(instance) > len(violation.instance):
        return None  # what is lacking was cut off
    return replace(violation, instance=instance)


def _start(body: Any) -> Any:
    """The first values of a body, the single ones before the lists that they may stand behind."""
    if isinstance(body, dict):
        body = dict(sorted(body.items(), key=lambda item: isinstance(item[1], dict | list)))
    return _Copy(EXPLAINED_VALUES).copy(body)


class _Copy:
    """Copies up to a number of values, in their order."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def copy(self, value: Any) -> Any:
        self._left -= 1
        if isinstance(value, dict):
            entries = {}
            for key, entry in value.items():
                if self._left <= 0:
                    break
                entries[key] = self.copy(entry)
            return entries
        if isinstance(value, list):
            items = []
            for item in value:
                if self._left <= 0:
                    break
                items.append(self.copy(item))
            return items
        return value
