"""Every method of OpenAI's official SDK that sends a request, and the request that it sends.

The methods are found by walking the client, and called with arguments made up from the types of
their parameters, so that a method which the SDK adds is here without a line of ours.
"""

from __future__ import annotations

import inspect
import re
import typing
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NoReturn
from urllib.parse import unquote

from openai import OpenAI
from openai._models import FinalRequestOptions
from openai._resource import SyncAPIResource

from tools.sdk_values import value_of

_SENDS = re.compile(r"self\._(get|post|put|patch|delete|get_api_list)\(")

_PROMPT = {"model": "model", "input": "text"}
_ALSO_NEEDED: dict[str, dict[str, Any]] = {
    f"{beta}responses.{name}": _PROMPT
    for beta in ("", "beta.")
    for name in ("create", "input_tokens.count")
} | {
    "embeddings.create": {"encoding_format": "float"},
    "realtime.client_secrets.create": {"session": {"type": "realtime", "model": "openai/live"}},
}
"""What the API needs, though the SDK's types leave it out; and vectors that the SDK leaves as its
types have them."""


@dataclass(frozen=True)
class SdkMethod:
    """One method.

    Attributes:
        name: as its user writes it, such as `files.content`.
        verb: of its request.
        path: of its request, below `/v1`, with the names of parameters in braces.
        response: the type that its response is read as.
    """

    name: str
    verb: str
    path: str
    response: Any


@lru_cache
def sdk_methods() -> tuple[SdkMethod, ...]:
    """All of them, in the order of their paths."""
    client = _Witness(api_key="none", admin_api_key="none")
    found = [_seen(client, name) for name in _names(client)]
    return tuple(sorted(found, key=lambda method: (method.path, method.verb, method.name)))


def method_of(client: OpenAI, name: str) -> Callable[..., Any]:
    """The method of a client that has this name."""
    value: Any = client
    for part in name.split("."):
        value = getattr(value, part)
    return typing.cast("Callable[..., Any]", value)


def arguments_of(method: Callable[..., Any], name: str, **given: Any) -> dict[str, Any]:
    """Arguments for all parameters that a method requires.

    Args:
        method: of a client.
        name: its name.
        given: values to use for parameters of these names, where it has such.
    """
    # The first of its forms, as what a method itself requires may lie between two of them.
    form = next(iter(typing.get_overloads(method)), method)
    hints = typing.get_type_hints(form)
    needed = {
        each.name: value_of(hints[each.name], f"{{{each.name}}}")
        for each in inspect.signature(form).parameters.values()
        if each.name != "self" and each.default is inspect.Parameter.empty
    }
    needed |= _ALSO_NEEDED.get(name, {})
    return needed | {key: value for key, value in given.items() if key in needed}


class _SentError(Exception):
    """Ends a call of the SDK once its request is known."""

    def __init__(self, response: Any, options: FinalRequestOptions) -> None:
        super().__init__()
        self.response = response
        self.options = options


class _Witness(OpenAI):
    """A client that sends nothing."""

    def request(self, cast_to: Any, options: FinalRequestOptions, **_: Any) -> NoReturn:
        raise _SentError(cast_to, options)


def _names(resource: Any, before: str = "") -> Iterator[str]:
    """Of the methods of a client, or of one of its resources, and of those within."""
    for name in dir(type(resource)):
        if name.startswith(("_", "with_")):
            continue
        static = inspect.getattr_static(type(resource), name)
        if inspect.isfunction(static):
            if _SENDS.search(inspect.getsource(static)):
                yield before + name
        elif isinstance(static, cached_property | property):
            value = getattr(resource, name)
            if isinstance(value, SyncAPIResource):
                yield from _names(value, f"{before}{name}.")


def _seen(client: OpenAI, name: str) -> SdkMethod:
    method = method_of(client, name)
    try:
        with warnings.catch_warnings():  # what is deprecated is a method like others
            warnings.simplefilter("ignore", DeprecationWarning)
            method(**arguments_of(method, name))
    except _SentError as sent:
        path = "/" + unquote(sent.options.url).partition("?")[0].strip("/")
        return SdkMethod(name, sent.options.method.upper(), path, sent.response)
    raise AssertionError(f"{name} sent nothing")
