"""Models without a price: for whom they are refused, and which targets are avoided for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tornado_router.config import check
from tornado_router.config.options import PlanOptions
from tornado_router.errors import Fault
from tornado_router.routing.pattern_table import is_pattern
from tornado_router.routing.routes import WILDCARD
from tornado_router.runtime.loaded_config import LoadedConfig


def price_warnings(loaded: LoadedConfig) -> Iterator[Fault]:
    """What the models and routes of a configuration lack in prices.

    A model is free for callers without a purse, so it needs a price only where a plan pays.
    """
    yield from _of_price_as(loaded)
    unpriced = _unpriced(loaded)
    never: dict[str, list[str]] = {}
    for provider, models in unpriced.items():
        lost = [name for name in models if loaded.prices.without_base_url(provider, name)]
        never[provider] = [name for name in models if name not in lost]
        if lost:
            kind = loaded.providers[provider].common.type
            yield Fault(
                check.dotted(("providers", provider)),
                f"no price for {', '.join(lost)}, as its base_url is not the vendor's own; "
                f'[prices."{provider}/*"] price_as = "{kind}/*" gives it the vendor\'s',
            )
    config = loaded.config
    if config.pricing.unpriced == "refuse" and any(map(_pays, config.plans.values())):
        yield from _of_refused_models(never)
        yield from _of_avoided_targets(loaded, unpriced)


def _pays(plan: PlanOptions) -> bool:
    """Whether the users of a plan pay for their calls."""
    return plan.credits is not None


def _unpriced(loaded: LoadedConfig) -> Mapping[str, list[str]]:
    """The models without a price that a provider offers or a route leads to, by provider."""
    found: dict[str, list[str]] = defaultdict(list)
    for target in loaded.router.targets():
        if (
            loaded.providers[target.provider].provider
            and not is_pattern(target.model)
            and loaded.prices.find(target.provider, target.model) is None
        ):
            found[target.provider].append(target.model)
    return {name: sorted(found[name]) for name in loaded.providers if name in found}


def _of_price_as(loaded: LoadedConfig) -> Iterator[Fault]:
    for name, table in loaded.config.prices.items():
        price_as = table.price_as
        if price_as and WILDCARD not in price_as and not loaded.prices.price_as(price_as):
            where = check.dotted(("prices", name, "price_as"))
            yield Fault(where, f"no price of '{price_as}' is known")


def _of_refused_models(unpriced: Mapping[str, list[str]]) -> Iterator[Fault]:
    for provider, models in unpriced.items():
        if not models:
            continue
        header = check.table_header("prices", f"{provider}/{models[0]}")
        yield Fault(
            check.dotted(("providers", provider)),
            f"no price for {', '.join(models)}: refused for callers who pay from credits or a "
            f"budget, free for all others; set one in {header}",
        )


def _of_avoided_targets(loaded: LoadedConfig, unpriced: Mapping[str, list[str]]) -> Iterator[Fault]:
    for name, route in loaded.config.routes.items():
        on = [target for target in dict.fromkeys(route.targets) if _is_on(loaded, target)]
        avoided = [target for target in on if _model(target) in unpriced.get(_owner(target), ())]
        left = [target for target in on if target not in avoided]
        if avoided and left:
            yield Fault(
                check.dotted(("routes", name)),
                f"callers who pay from credits or a budget are served by {', '.join(left)} alone, "
                f"as {', '.join(avoided)} {'have' if len(avoided) > 1 else 'has'} no price",
            )


def _is_on(loaded: LoadedConfig, target: str) -> bool:
    return loaded.providers[_owner(target)].provider is not None


def _owner(target: str) -> str:
    return target.partition("/")[0]


def _model(target: str) -> str:
    return target.partition("/")[2]
