"""The types of the vendor's SDK as an authority on requests: nothing unknown, nothing missing.

Reads the SDK's TypedDicts by itself: pydantic lets unknown fields pass in them, and reads what is
declared as an Iterable only when it is iterated.
"""

from __future__ import annotations

import collections.abc
import importlib.util
import types
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin

import typing_extensions
from typing_extensions import get_type_hints, is_typeddict

INSTALLED = importlib.util.find_spec("anthropic") is not None

SAMPLING = ("temperature", "top_p", "top_k")
"""SDK 2 speaks API version 2026-10-21, which lacks them; 2023-06-01, which we send, has them."""


def faults(body: dict[str, Any]) -> list[str]:
    """What is wrong with a body for the Messages API; nothing if no SDK is there to ask."""
    if not INSTALLED:
        return []
    body = {name: value for name, value in body.items() if name not in SAMPLING}
    return _faults(body, _authority(body), "body")


def _authority(body: dict[str, Any]) -> Any:
    from anthropic.types import beta, message_create_params

    streamed = "Streaming" if body.get("stream") else "NonStreaming"
    module = message_create_params
    if "block_binding" in body.get("thinking", {}):
        module = beta.message_create_params
    return getattr(module, f"MessageCreateParams{streamed}")


def _faults(value: Any, kind: Any, path: str) -> list[str]:
    if isinstance(kind, typing_extensions.TypeAliasType):
        kind = kind.__value__
    if kind in (Any, object):
        return []
    if is_typeddict(kind):
        return _dict_faults(value, kind, path)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Required, NotRequired, typing_extensions.Annotated):
        return _faults(value, arguments[0], path)
    if origin in (Union, types.UnionType):
        tried = [_faults(value, argument, path) for argument in arguments]
        return min(tried, key=lambda found: (len(found), -len(found[0]) if found else 0))
    if origin is Literal:
        return [] if value in arguments else [f"{path} is {value!r}, not of {arguments}"]
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict):
            return [f"{path} is no object"]
        return [x for key in value for x in _faults(value[key], arguments[1], f"{path}.{key}")]
    if origin in (list, collections.abc.Iterable, collections.abc.Sequence):
        if not isinstance(value, list):
            return [f"{path} is no array"]
        inner = arguments[0]
        return [x for i, item in enumerate(value) for x in _faults(item, inner, f"{path}[{i}]")]
    if kind is float:
        kind = (int, float)
    if kind is None:
        kind = type(None)
    if kind in (int, str, bool, type(None), (int, float)):
        right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        return [] if right else [f"{path} is {value!r}, no {kind}"]
    return [f"{path}: {kind} allows no JSON"]  # base64 data may be a file object


def _dict_faults(value: Any, kind: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    hints = get_type_hints(kind, include_extras=True)
    extra = getattr(kind, "__pydantic_config__", {}).get("extra") == "allow"
    # `__required_keys__` knows nothing of a Required in an annotation that is a string.
    required = {name for name in hints if kind.__total__ or get_origin(hints[name]) is Required}
    if kind.__name__.startswith("MessageCreateParams"):  # total, but of a base that is not
        required = {name for name in hints if get_origin(hints[name]) is Required}
    found = [f"{path}.{name} is missing" for name in required - value.keys()]
    found += [f"{path}.{name} is unknown" for name in value.keys() - hints.keys() if not extra]
    for name in value.keys() & hints.keys():
        found += _faults(value[name], hints[name], f"{path}.{name}")
    return found
