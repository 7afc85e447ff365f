"""The `jsonschema` package behind the interface of `tornado_router.validation.engine`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema

from tornado_router.validation.engine import Violation


class SecondOpinion:
    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self._validator = jsonschema.Draft202012Validator(schema)

    def is_valid(self, body: object) -> bool:
        return self._validator.is_valid(body)

    def first_violation(self, body: object) -> Violation | None:
        return next(self.violations(body), None)

    def violations(self, body: object) -> Iterator[Violation]:
        for error in self._validator.iter_errors(body):
            yield from _violations(error)


def _violations(error: jsonschema.ValidationError) -> Iterator[Violation]:
    path = tuple(error.absolute_path)
    if error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield Violation((*path, name), "required", error.schema, error.instance)
    elif error.validator == "additionalProperties":
        for name, value in error.instance.items():
            if name not in error.schema.get("properties", {}):
                yield Violation((*path, name), "additionalProperties", error.schema, value)
    elif "propertyNames" in error.schema_path:
        # The instance is the key, the path that of the object which holds it.
        schema = {"propertyNames": error.schema}
        yield Violation(path, "propertyNames", schema, error.instance)
    else:
        yield Violation(path, str(error.validator), error.schema, error.instance)
