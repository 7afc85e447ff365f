"""Which targets could serve a model's name. Decides only: no I/O, no await."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from tornado_router.config import check
from tornado_router.config.options import RouteOptions, TargetOptions
from tornado_router.endpoints.bridges import serves
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError, Fault
from tornado_router.observability.redaction import printable_name
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.routing.pattern_table import by_precedence, is_pattern

MAX_MODEL_NAME = 256
"""Characters of a model's name: no vendor's has so many, and each is matched against patterns."""

WILDCARD = "*"
"""In the name of a route, and in its targets: the same text in both."""

_HEADER_PREFIX = "header:"
_HEADER = re.compile(r"[a-zA-Z0-9-]+")

KNOWN_TARGETS = 10_000
"""Targets that a part of the router remembers: patterns let clients name more without end."""


class Target(NamedTuple):
    """A provider, and the vendor's own name of a model."""

    provider: str
    model: str

    @property
    def title(self) -> str:
        """Its name in logs and responses: the model's name may be a client's."""
        return f"{self.provider}/{printable_name(self.model)}"


@dataclass(frozen=True, slots=True)
class Model:
    """A model that clients may ask for, and its owner."""

    name: str
    owner: str


@dataclass(frozen=True, slots=True)
class Route:
    """The targets that a model's name resolves to, for one endpoint.

    Attributes:
        targets: as listed; at least one.
        strategy: which goes first; see `RouteOptions`.
        weights: of the targets, for the strategy `weighted`.
        sticky: names that lead to the field of a request that binds it to a target.
        sticky_header: the header that does so instead, or empty.
        hedge_seconds: how long the first target may take before another is asked, too; None for
            as long as it takes.
        cache_seconds: how long a response is cached for equal requests; 0 turns the cache off.
        cache_max_temperature: requests above it bypass the cache.
        log_requests: whether its requests and responses are logged.
    """

    targets: tuple[Target, ...]
    strategy: str = "ordered"
    weights: tuple[float, ...] = ()
    sticky: tuple[str, ...] = ()
    hedge_seconds: float | None = None
    cache_seconds: float = 0.0
    cache_max_temperature: float = 0.0
    log_requests: bool = False
    sticky_header: str = ""

    def only(self, keep: Iterable[Target]) -> Route:
        """The same route with some of its targets."""
        kept = set(keep)
        places = [index for index, target in enumerate(self.targets) if target in kept]
        return replace(
            self,
            targets=tuple(self.targets[index] for index in places),
            weights=tuple(self.weights[index] for index in places) if self.weights else (),
        )


class Router:
    """Resolves the model names of one configuration.

    A name means, in this order: a route of that name; a model that a provider lists by that name;
    a route whose name is a pattern that matches it, the longest first; `provider/model` for a
    model that the provider offers, by name or by pattern.

    Args:
        providers: every configured provider, those that are off too.
        routes: the operator's own names.
    """

    def __init__(
        self,
        providers: Mapping[str, ConfiguredProvider],
        routes: Mapping[str, RouteOptions],
    ) -> None:
        self._providers = providers
        self._named = {
            name: _route(options) for name, options in routes.items() if WILDCARD not in name
        }
        self._patterns = [
            (name, routes[name]) for name in by_precedence(routes) if WILDCARD in name
        ]
        for item in providers.values():
            for model in _listed(item):
                if model not in routes and not self._is_served(self._named.get(model)):
                    self._named[model] = Route((Target(item.name, model),))
        self._known: dict[tuple[str, str], Route] = {}
        self._models = {name: self._owner(route) for name, route in self._named.items()}

    def route(self, model: str, endpoint: str) -> Route:
        """The targets that could serve a call.

        Raises:
            ApiError: 404 if no provider that is on offers the model, or it lacks the endpoint.
        """
        known = self._known.get((model, endpoint))
        if known:
            return known
        route = self._find(model)
        usable = [target for target in route.targets if self._is_on(target)] if route else []
        if route is None or not usable:
            raise model_not_found(model)
        able = [target for target in usable if self._supports(target, endpoint)]
        if not able:
            raise Invalid.unsupported_endpoint(model=printable_name(model), endpoint=endpoint)
        route = route.only(able)
        if model in self._named:  # only the operator's names: clients' would grow without end
            self._known[model, endpoint] = route
        return route

    def models(self) -> list[Model]:
        """Every model that can be asked for by name now, in the order of the file."""
        return [
            Model(name, owner)
            for name, owner in self._models.items()
            if self._is_served(self._named[name])
        ]

    def model(self, name: str) -> Model:
        """One model.

        Raises:
            ApiError: 404 if there is none, or no provider of it is on.
        """
        route = self._find(name)
        if route is None or not self._is_served(route):
            raise model_not_found(name)
        return Model(name, self._owner(route))

    def listing(self) -> dict[str, tuple[Target, ...]]:
        """The targets of every name that router.toml lists, of patterns as they are written."""
        named = {name: route.targets for name, route in self._named.items()}
        return named | {name: _route(options).targets for name, options in self._patterns}

    def served(self, model: str) -> list[Target]:
        """The targets of a model whose providers are on; none if there is no such model."""
        route = self._find(model)
        return [target for target in route.targets if self._is_on(target)] if route else []

    def off(self, model: str) -> dict[str, str]:
        """Why the providers of a model are off, by their names."""
        route = self._find(model)
        owners = dict.fromkeys(target.provider for target in route.targets) if route else {}
        return {name: self._providers[name].off or "" for name in owners}

    def alike(self, model: str) -> Iterator[str]:
        """The names that may have been meant by one that is not there: all that are served.

        Of `PROVIDER/MODEL`, also the same model of each provider that offers it.
        """
        yield from (item.name for item in self.models())
        name = model.partition("/")[2]
        if name:
            yield from (
                f"{item.name}/{name}"
                for item in self._providers.values()
                if item.provider and self._by_prefix(f"{item.name}/{name}")
            )

    def names(self) -> set[str]:
        """Every name that router.toml lists, with its provider before it or not."""
        targets = self.targets()
        return {*self._named, *(f"{target.provider}/{target.model}" for target in targets)}

    def targets(self) -> set[Target]:
        """Every target that router.toml lists."""
        listed = {
            Target(item.name, model) for item in self._providers.values() for model in _listed(item)
        }
        return listed.union(*(route.targets for route in self._named.values()))

    def _find(self, model: str) -> Route | None:
        if len(model) > MAX_MODEL_NAME:
            return None
        return self._named.get(model) or self._by_pattern(model) or self._by_prefix(model)

    def _by_pattern(self, model: str) -> Route | None:
        for pattern, options in self._patterns:
            head, _, tail = pattern.partition(WILDCARD)
            middle = model[len(head) : len(model) - len(tail)]
            if middle and model == head + middle + tail:
                return _route(options, middle)
        return None

    def _by_prefix(self, model: str) -> Route | None:
        provider, slash, name = model.partition("/")
        item = self._providers.get(provider)
        if slash and name and item and any(fnmatchcase(name, p) for p in item.common.models):
            return Route((Target(provider, name),))
        return None

    def _is_served(self, route: Route | None) -> bool:
        return route is not None and any(self._is_on(target) for target in route.targets)

    def _is_on(self, target: Target) -> bool:
        return self._providers[target.provider].provider is not None

    def _supports(self, target: Target, endpoint: str) -> bool:
        provider = self._providers[target.provider].provider
        return provider is not None and serves(provider, endpoint)

    @staticmethod
    def _owner(route: Route) -> str:
        return route.targets[0].provider


def check_routes(
    providers: Mapping[str, ConfiguredProvider], routes: Mapping[str, RouteOptions]
) -> Iterator[Fault]:
    """What is wrong with the routes: targets that are not there, or that no provider offers."""
    for name, route in routes.items():
        yield from _check_form(name, route)
        for index, text in enumerate(route.targets):
            where = check.dotted(("routes", name, "targets", index))
            target = _target(text)
            if not target.model:
                yield Fault(where, f"must be 'provider/model', not {text!r}")
            elif target.provider not in providers:
                hint = check.meant(target.provider, providers)
                yield Fault(where, f"there is no provider '{target.provider}'{hint}")
            elif WILDCARD in target.model:
                if WILDCARD not in name:
                    yield Fault(where, f"'{WILDCARD}' needs one in the route's name to stand for")
            else:
                offered = providers[target.provider].common.models
                if not any(fnmatchcase(target.model, pattern) for pattern in offered):
                    hint = check.meant(target.model, offered)
                    yield Fault(
                        where,
                        f"the provider '{target.provider}' does not offer '{target.model}'{hint}",
                    )


def _listed(item: ConfiguredProvider) -> Iterator[str]:
    for model in item.common.models:
        if not is_pattern(model):
            yield model


def _check_form(name: str, route: RouteOptions) -> Iterator[Fault]:
    where = check.dotted(("routes", name))
    if name.count(WILDCARD) > 1:
        yield Fault(where, f"its name may hold one '{WILDCARD}'")
    if route.strategy == "weighted":
        if len(route.weights) != len(route.targets):
            yield Fault(f"{where}.weights", "must have one number for each target")
        elif not any(route.weights):
            yield Fault(f"{where}.weights", "must have one above 0")
    elif route.weights:
        yield Fault(f"{where}.weights", 'needs strategy = "weighted"')
    header = _sticky_header(route)
    if header is not None and not _HEADER.fullmatch(header):
        yield Fault(f"{where}.sticky", "names no header")
    if route.sticky and route.strategy not in ("ordered", "weighted"):
        yield Fault(f"{where}.sticky", f'does not go with strategy = "{route.strategy}"')


def check_targets(
    providers: Mapping[str, ConfiguredProvider], targets: Mapping[str, TargetOptions]
) -> Iterator[Fault]:
    """What is wrong with the tables of targets: those that name no provider."""
    for name, options in targets.items():
        provider, slash, _ = name.partition("/")
        where = check.dotted(("targets", name))
        if not slash:
            yield Fault(where, f"must be 'provider/model' or a pattern of it, not {name!r}")
        elif not is_pattern(provider) and provider not in providers:
            hint = check.meant(provider, providers)
            yield Fault(where, f"there is no provider '{provider}'{hint}")
        elif options.chat_by:
            item = providers.get(provider)
            if item and item.provider and not item.provider.supports(options.chat_by):
                fault = f"the provider '{provider}' lacks '{options.chat_by}'"
                yield Fault(f"{where}.chat_by", fault)


def _sticky_header(route: RouteOptions) -> str | None:
    """The header that `sticky` names; None if it names a field, or nothing."""
    if not route.sticky.startswith(_HEADER_PREFIX):
        return None
    return route.sticky.removeprefix(_HEADER_PREFIX)


def _route(options: RouteOptions, middle: str = WILDCARD) -> Route:
    """A route of router.toml.

    Args:
        options: its table.
        middle: what the `*` in its name stands for.
    """
    header = _sticky_header(options)
    return Route(
        tuple(_target(text.replace(WILDCARD, middle)) for text in options.targets),
        options.strategy,
        options.weights,
        tuple(options.sticky.split(".")) if options.sticky and header is None else (),
        options.hedge_seconds,
        options.cache_seconds,
        options.cache_max_temperature,
        options.log_requests,
        header or "",
    )


def _target(text: str) -> Target:
    provider, _, model = text.partition("/")
    return Target(provider, model)


def model_not_found(model: str) -> ApiError:
    """The refusal of a model that is not there, or not for this client, in OpenAI's words."""
    return Invalid.model_not_found(model=printable_name(model))
