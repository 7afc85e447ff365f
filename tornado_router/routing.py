"""Which providers, in which order, serve a model name. Decides only: no I/O, no await."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tornado_router.config import check
from tornado_router.config.options import RouteOptions
from tornado_router.errors import ApiError, Fault
from tornado_router.plugins import ConfiguredProvider

MAX_NAME = 256
"""Characters of a model's name: no vendor's has so many, and each is matched against patterns."""

_PATTERN_CHARACTERS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Target:
    """A provider, and the vendor's own name of a model."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model that clients may ask for, and who is said to own it."""

    name: str
    owner: str


class Router:
    """Resolves the model names of one configuration.

    A name means, in this order: a route of that name; a model that a provider lists by that name;
    `provider/model` for a model that the provider offers, by name or by pattern.

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
        self._plans: dict[str, tuple[Target, ...]] = {}
        for name, route in routes.items():
            self._plans[name] = tuple(_target(text) for text in route.targets)
        for item in providers.values():
            for model in _listed(item):
                if model not in routes and not self._is_served(self._plans.get(model, ())):
                    self._plans[model] = (Target(item.name, model),)
        self._known: dict[tuple[str, str], tuple[Target, ...]] = {}
        self._models = {name: self._owner(plan) for name, plan in self._plans.items()}

    def plan(self, model: str, endpoint: str) -> tuple[Target, ...]:
        """The targets to try, in order; at least one.

        Raises:
            ApiError: 404 if no provider that is on offers the model, or it lacks the endpoint.
        """
        known = self._known.get((model, endpoint))
        if known:
            return known
        if len(model) > MAX_NAME:
            raise model_not_found(model)
        plan = self._plans.get(model) or self._by_prefix(model)
        usable = tuple(target for target in plan if self._is_on(target))
        if not usable:
            raise model_not_found(model)
        able = tuple(target for target in usable if self._supports(target, endpoint))
        if not able:
            raise ApiError(
                400,
                f"The model '{model[:200]}' cannot be used with this endpoint ({endpoint}).",
                param="model",
                code="unsupported_endpoint",
            )
        if model in self._plans:  # only the operator's names: clients' would grow without end
            self._known[model, endpoint] = able
        return able

    def models(self) -> list[Model]:
        """Every model that can be asked for by name now, in the order of the file."""
        return [
            Model(name, owner)
            for name, owner in self._models.items()
            if self._is_served(self._plans[name])
        ]

    def model(self, name: str) -> Model:
        """One model.

        Raises:
            ApiError: 404 if there is none, or no provider of it is on.
        """
        if len(name) > MAX_NAME:
            raise model_not_found(name)
        plan = self._plans.get(name) or self._by_prefix(name)
        if not self._is_served(plan):
            raise model_not_found(name)
        return Model(name, self._owner(plan))

    def _by_prefix(self, model: str) -> tuple[Target, ...]:
        provider, slash, name = model.partition("/")
        item = self._providers.get(provider)
        if slash and name and item and any(fnmatchcase(name, p) for p in item.common.models):
            return (Target(provider, name),)
        return ()

    def _is_served(self, plan: tuple[Target, ...]) -> bool:
        return any(self._is_on(target) for target in plan)

    def _is_on(self, target: Target) -> bool:
        return self._providers[target.provider].provider is not None

    def _supports(self, target: Target, endpoint: str) -> bool:
        provider = self._providers[target.provider].provider
        return provider is not None and provider.supports(endpoint)

    @staticmethod
    def _owner(plan: tuple[Target, ...]) -> str:
        return plan[0].provider


def check_routes(
    providers: Mapping[str, ConfiguredProvider], routes: Mapping[str, RouteOptions]
) -> Iterator[Fault]:
    """What is wrong with the routes: targets that are not there, or that no provider offers."""
    for name, route in routes.items():
        for index, text in enumerate(route.targets):
            where = check.dotted(("routes", name, "targets", index))
            target = _target(text)
            if not target.model:
                yield Fault(where, f"must be 'provider/model', not {text!r}")
            elif target.provider not in providers:
                hint = check.meant(target.provider, providers)
                yield Fault(where, f"there is no provider '{target.provider}'{hint}")
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
        if not _PATTERN_CHARACTERS & set(model):
            yield model


def _target(text: str) -> Target:
    provider, _, model = text.partition("/")
    return Target(provider, model)


def model_not_found(model: str) -> ApiError:
    """The refusal of a model that is not there, or not for this client, in OpenAI's words."""
    # The name is the client's own, clipped so that no log is flooded.
    return ApiError(
        404,
        f"The model '{model[:200]}' does not exist or you do not have access to it.",
        param="model",
        code="model_not_found",
    )
