"""Which of a route's targets can serve a call, and which goes first."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from tornado_router.config.options import TargetOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.makers_marks import mark_of
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.observability.redaction import printable_name
from tornado_router.provider import Call
from tornado_router.routing.health import Health
from tornado_router.routing.pattern_table import PatternTable
from tornado_router.routing.prices import Prices
from tornado_router.routing.routes import KNOWN_TARGETS, Route, Target
from tornado_router.usage import NO_AMOUNTS, Amounts

_ANYTHING = TargetOptions()
_UNKNOWN = float("inf")
_NO_HEADERS: Mapping[str, str] = {}


class Selection:
    """Chooses targets.

    Args:
        targets: the `[targets."PROVIDER/MODEL"]` tables.
        health: of the targets.
        prices: of the targets.
        chance: a number from 0 to 1, by chance.
    """

    def __init__(
        self,
        targets: Mapping[str, TargetOptions],
        health: Health,
        prices: Prices,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._tables = PatternTable(targets)
        self._health = health
        self._prices = prices
        self._chance = chance
        self._options = lru_cache(KNOWN_TARGETS)(self._find_options)

    def able(self, route: Route, call: Call) -> Route:
        """A route with those of its targets that can serve a call.

        Raises:
            ApiError: 400, none can.
        """
        needed = ENDPOINTS[call.endpoint].makers(call).needed
        if needed:
            route = _only_maker(route, needed, call)
        if not self._tables:
            return route
        options = {target: self._options(target) for target in route.targets}
        if all(item is _ANYTHING for item in options.values()):
            return route
        endpoint = ENDPOINTS[call.endpoint]
        ask = endpoint.ask(call)
        needs = ask.needs()
        able = [
            target for target in route.targets if needs.keys().isdisjoint(options[target].lacks)
        ]
        if not able:
            raise _cannot(call, needs, options)
        tokens = ask.context()
        fitting = [target for target in able if tokens <= _window(options[target])]
        if not fitting:
            largest = max(_window(options[target]) for target in able)
            raise Invalid.context_length_exceeded(
                limit=largest, tokens=tokens, param=endpoint.prompt_field
            )
        return route if len(fitting) == len(route.targets) else route.only(fitting)

    def chat_by(self, target: Target) -> str:
        """The endpoint by which a target takes chat completions; empty for their own."""
        return self._options(target).chat_by if self._tables else ""

    def order(
        self,
        route: Route,
        call: Call,
        prompt: int,
        output: int,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        amounts: Amounts = NO_AMOUNTS,
    ) -> Sequence[Target]:
        """The targets of a route in the order in which to try them.

        First come those that made what only they can read of the request.

        Args:
            route: those that can serve the call.
            call: what the client asked for.
            prompt: tokens of it, as estimated.
            output: tokens of the response, as estimated.
            headers: of the request.
            amounts: what else the call may come to.
        """
        targets = route.targets
        if len(targets) == 1:
            return targets

        def cost(target: Target) -> float:
            price = self._prices.find(target.provider, target.model)
            return _UNKNOWN if price is None else price.estimate(prompt, output, amounts)

        ordered = self._by_strategy(route, call, cost, headers)
        maker = ENDPOINTS[call.endpoint].makers(call).newest
        if maker:
            return sorted(ordered, key=lambda target: mark_of(target.provider) != maker)
        return ordered

    def _by_strategy(
        self,
        route: Route,
        call: Call,
        cost: Callable[[Target], float],
        headers: Mapping[str, str],
    ) -> Sequence[Target]:
        """Arguments as for `order`; `cost` is what the call may come to at a target."""
        targets = route.targets
        if route.sticky or route.sticky_header:
            name = route.sticky_header
            value = headers.get(name) if name else _field(call.body, route.sticky)
            if value is not None:
                return self._by_hash(route, value)
        match route.strategy:
            case "weighted":
                return self._shuffled(route, lambda _: self._chance())
            case "cheapest":
                return sorted(targets, key=cost)
            case "fastest":  # an unknown one goes first: otherwise it would stay so
                return sorted(targets, key=lambda target: self._health.first_byte(target) or 0.0)
            case "least-busy":
                return sorted(targets, key=self._health.in_flight)
        return targets

    def _by_hash(self, route: Route, value: object) -> Sequence[Target]:
        """An order that is the same for equal values, and moves few if a target comes or goes."""

        def number(target: Target) -> float:
            text = f"{target.provider}/{target.model}\0{value}"
            digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
            return (int.from_bytes(digest[:8]) + 1) / (2**64 + 1)

        return self._shuffled(route, number)

    @staticmethod
    def _shuffled(route: Route, number: Callable[[Target], float]) -> Sequence[Target]:
        """In an order by numbers from 0 to 1, in which a target is first as often as it weighs.

        "Weighted random sampling", https://doi.org/10.1016/j.ipl.2005.11.003.
        """
        weights = route.weights or (1.0,) * len(route.targets)
        keys = {
            target: number(target) ** (1 / weight) if weight else -1.0
            for target, weight in zip(route.targets, weights, strict=True)
        }
        return sorted(route.targets, key=lambda target: -keys[target])

    def _find_options(self, target: Target) -> TargetOptions:
        return self._tables.find(f"{target.provider}/{target.model}") or _ANYTHING


def _only_maker(route: Route, mark: str, call: Call) -> Route:
    """Those of a route's targets whose provider made a part of the conversation.

    Raises:
        ApiError: 400, there are none.
    """
    made = [target for target in route.targets if mark_of(target.provider) == mark]
    if not made:
        raise Invalid.invalid_encrypted_content(model=printable_name(call.model))
    return route if len(made) == len(route.targets) else route.only(made)


def _cannot(
    call: Call, needs: Mapping[str, str], options: Mapping[Target, TargetOptions]
) -> ApiError:
    lacking = sorted(
        needs.keys() & set.intersection(*(set(item.lacks) for item in options.values()))
    )
    words = lacking or sorted(needs)
    what = ", ".join(words).replace("_", " ")
    return Invalid.unsupported_value(
        model=printable_name(call.model),
        what=what,
        param=needs[lacking[0]] if lacking else ENDPOINTS[call.endpoint].prompt_field,
    )


def _window(options: TargetOptions) -> float:
    return options.context_window or _UNKNOWN


def _field(body: Mapping[str, Any], path: Sequence[str]) -> object:
    """A field of the request, or None."""
    value: Any = body
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
