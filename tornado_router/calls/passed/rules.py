"""Which requests are passed on, to which provider, and under which name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tornado_router.calls.passed.kept.names import KEPT, KEPT_KINDS
from tornado_router.config import check
from tornado_router.config.options import PassthroughOptions
from tornado_router.endpoints import ENDPOINTS, PASSTHROUGH
from tornado_router.endpoints.passed import KINDS
from tornado_router.endpoints.passed_paths import (
    METHODS,
    PassedPath,
    PathRule,
    read_path,
    read_rule,
)
from tornado_router.errors import Fault
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import Provider

_VERSION = "v1"

_OWN = frozenset(
    ("admin", "api-keys", "auth", "docs", "health", "metrics", "openapi.json", "usage", _VERSION)
)
"""What paths of the router's own begin with."""


_SERVED = frozenset(("key", "models", "responses"))


class Match(NamedTuple):
    """A path that is passed on.

    Attributes:
        endpoint: by which keys permit it, and usage shows it.
        provider: that gets it.
        path: in the vendor's API.
        methods: that it may be asked by.
    """

    endpoint: str
    provider: str
    path: PassedPath
    methods: frozenset[str]


class ServedPath(NamedTuple):
    """What paths begin with that are passed on, as the OpenAPI document shows it.

    Attributes:
        endpoint: see `Match`.
        path: that they begin with.
        methods: that they may be asked by.
    """

    endpoint: str
    path: str
    methods: frozenset[str]


class Rules:
    """Knows which requests are passed on, or served from what the router keeps itself.

    Args:
        options: `[passthrough]`.
        keeps: whether the router keeps files and batches itself.
    """

    def __init__(self, options: PassthroughOptions, *, keeps: bool = False) -> None:
        self._provider = options.provider or KEPT
        self._vendors = frozenset(options.vendors)
        paths = [
            *(options.paths if options.provider else ()),
            *(KEPT_KINDS if keeps else ()),
        ]
        rules = [rule for rule in map(read_rule, paths) if rule]
        self._rules = sorted(rules, key=lambda rule: -len(rule.segments))

    @property
    def shown(self) -> list[str]:
        """What the paths begin with that are passed on to OpenAI's provider."""
        return sorted({f"/{_VERSION}/{'/'.join(rule.segments)}" for rule in self._rules})

    @property
    def served(self) -> tuple[ServedPath, ...]:
        """All that is passed on: no vendor is named, as any client may read the document."""
        found: dict[str, ServedPath] = {}
        for rule in self._rules:
            path = f"/{_VERSION}/{'/'.join(rule.segments)}"
            served = ServedPath(_endpoint_of(rule), path, rule.methods or frozenset(METHODS))
            found.setdefault(path, served)
        paths = sorted(found.values(), key=lambda served: served.path)
        if self._vendors:
            paths.append(ServedPath(PASSTHROUGH, "/{provider}", frozenset(METHODS)))
        return tuple(paths)

    def match(self, path: str) -> Match | None:
        """What a path is passed on as; None if it is not.

        Args:
            path: of a request, as the client sent it.
        """
        first, _, rest = path[1:].partition("/")
        if first == _VERSION and self._rules:
            return self._openai(path)
        if first in self._vendors and (found := read_path(f"/{rest}")):
            return Match(PASSTHROUGH, first, found, frozenset(METHODS))
        return None

    def _openai(self, path: str) -> Match | None:
        found = read_path(path)
        if found is None:
            return None
        below = found.segments[1:]
        for rule in self._rules:
            if rule.holds(below):
                methods = rule.methods or frozenset(METHODS)
                return Match(_endpoint_of(rule), self._provider, found, methods)
        return None


def _endpoint_of(rule: PathRule) -> str:
    for kind in KINDS:
        if rule.segments[: len(kind.path.split("/"))] == tuple(kind.path.split("/")):
            return kind.name
    return PASSTHROUGH


def check_passthrough(
    options: PassthroughOptions, providers: Mapping[str, ConfiguredProvider]
) -> Iterator[Fault]:
    """What is wrong with `[passthrough]`."""
    if KEPT in providers:
        yield Fault(check.dotted(("providers", KEPT)), "stands for what the router keeps itself")
    if options.provider:
        yield from _check_provider("passthrough.provider", options.provider, providers)
    served = {endpoint.path.removeprefix(f"/{_VERSION}/") for endpoint in ENDPOINTS.values()}
    served -= {kind.path for kind in KINDS}  # what was stored is not the router's
    for index, text in enumerate(options.paths):
        where, rule = f"passthrough.paths[{index}]", read_rule(text)
        if rule is None:
            yield Fault(where, f"cannot be passed on: {text!r}")
        elif "/".join(rule.segments) in served or rule.segments[0] in _SERVED:
            yield Fault(where, f"the router serves {text!r} itself")
    for index, name in enumerate(options.vendors):
        where = f"passthrough.vendors[{index}]"
        if name in _OWN:
            yield Fault(where, f"paths of the router itself begin with {name!r}")
        else:
            yield from _check_provider(where, name, providers)


def _check_provider(
    where: str, name: str, providers: Mapping[str, ConfiguredProvider]
) -> Iterator[Fault]:
    configured = providers.get(name)
    if configured is None:
        yield Fault(where, f"there is no provider '{name}'{check.meant(name, providers)}")
    elif not _passes(configured):
        yield Fault(where, f"the type of the provider '{name}' passes nothing on")


def _passes(configured: ConfiguredProvider) -> bool:
    """Whether a provider may pass something on, once it is on."""
    provider = configured.provider
    return provider is None or type(provider).pass_through is not Provider.pass_through
