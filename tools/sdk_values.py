"""Values for the types of OpenAI's official SDK: of each the simplest that is valid."""

from __future__ import annotations

import types
import typing
from collections import abc
from datetime import datetime
from typing import Any, Literal, NotRequired, Required

from pydantic import BaseModel
from typing_extensions import is_typeddict

_SIMPLE: dict[Any, Any] = {
    str: "text",
    int: 0,
    float: 0.0,
    bool: True,
    bytes: b"{}",
    object: "text",
    Any: "text",
    type(None): None,
    datetime: "2026-01-01T00:00:00Z",
}
_DEPTH = 40
"""Of types within types; what refers to itself is not required at some depth."""


def value_of(type_: Any, name: str = "text", depth: int = 0) -> Any:
    """The simplest value of a type.

    Args:
        type_: as `typing.get_type_hints` has it: a builtin, a literal, a union, a list, a dict, a
            typed dict or a model of pydantic's.
        name: what texts are to be.
        depth: of types around it.

    Raises:
        TypeError: the type is of a kind that is not known here.
    """
    assert depth < _DEPTH, f"{type_} has no simple value"
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if type_ is str:
        return name
    if type_ in _SIMPLE:
        return _SIMPLE[type_]
    if origin is Literal:
        return arguments[0]
    if origin in (typing.Union, types.UnionType):
        return _of_union(arguments, name, depth)
    if origin in (typing.Annotated, Required, NotRequired):
        return value_of(arguments[0], name, depth + 1)
    if origin is tuple:
        return ("file.jsonl", b"{}")
    if origin in (dict, abc.Mapping):
        return {}
    if origin in (list, abc.Iterable, abc.Sequence) or _is_sequence(origin):
        return [value_of(arguments[0], name, depth + 1)]
    if isinstance(type_, type) and issubclass(type_, BaseModel):
        return _of_model(type_, depth)
    if is_typeddict(type_):
        return _of_dict(type_, depth)
    raise TypeError(f"no value is known for {type_!r}")


def _of_union(arguments: tuple[Any, ...], name: str, depth: int) -> Any:
    """That of the first type that has one; a text before all else, as it is the shortest."""
    if str in arguments:
        return name
    if bytes in arguments:  # one of the forms of a file
        return ("file.jsonl", b"{}")
    kept = [type_ for type_ in arguments if type_ is not type(None)]
    return value_of(kept[0], name, depth + 1)


def _of_model(type_: type[BaseModel], depth: int) -> dict[str, Any]:
    """Of a response: what is required, by the names that it has in JSON."""
    return {
        field.alias or name: value_of(field.annotation, f"a_{name}", depth + 1)
        for name, field in type_.model_fields.items()
        if field.is_required()
    }


def _of_dict(type_: Any, depth: int) -> dict[str, Any]:
    """Of a typed dict: what is required, which shows in the hints alone, as these are texts."""
    hints = typing.get_type_hints(type_, include_extras=True)
    return {
        key: value_of(hint, key, depth + 1)
        for key, hint in hints.items()
        if typing.get_origin(hint) is Required
        or (key in type_.__required_keys__ and typing.get_origin(hint) is not NotRequired)
    }


def _is_sequence(origin: Any) -> bool:
    return getattr(origin, "__name__", "") == "SequenceNotStr"
