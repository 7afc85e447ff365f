"""Prices of a LiteLLM proxy: https://docs.litellm.ai/docs/proxy/custom_pricing."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from tornado_router_import_litellm.references import Note
from tornado_router_import_litellm.settings import Settings
from tornado_router_import_litellm.vendors import VENDORS

NAMES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
    "output_cost_per_reasoning_token": "reasoning",
}

_LONG = re.compile(r"(?P<name>\w+)_above_(?P<thousands>[1-9]\d*)k_tokens")


class _Price(NamedTuple):
    where: str
    dollars: float


class Prices:
    """The `[prices."TARGET"]` tables.

    Args:
        note: notes for the operator which prices are left out.
    """

    def __init__(self, note: Note) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self._note = note

    def add(self, target: str, params: Settings, info: Settings, embeds: bool) -> None:
        """Takes the prices of a deployment; a table is made only if both sides have one.

        Args:
            target: `provider/model`.
            params: its `litellm_params`, which hold before those of `info`.
            info: its `model_info`.
            embeds: whether it makes embeddings, which have no output to pay for.
        """
        found: dict[tuple[int, str], _Price] = {}
        for settings in (params, info):
            for key, price in self._prices(settings):
                if found.setdefault(key, price).dollars != price.dollars:
                    self._note(price.where, "litellm_params has another value, which applies")
        if not found:
            return
        sides = {name for above, name in found if not above}
        if "input" not in sides or ("output" not in sides and not embeds):
            why = "a price needs both input_cost_per_token and output_cost_per_token: left out"
        else:
            table = _table(found)
            if self.tables.setdefault(target, table) == table:
                return
            why = f"another deployment has other prices for '{target}', which apply"
        for price in found.values():
            self._note(price.where, why)

    def add_as(self, target: str, base_model: str, kind: str) -> None:
        """Takes the price of the model behind a deployment, unless the deployment has its own.

        Args:
            target: `provider/model`.
            base_model: LiteLLM's name of the model, such as `azure/gpt-4o`.
            kind: the provider type of a model whose name has no vendor before it.
        """
        vendor, slash, model = base_model.partition("/")
        if vendor in VENDORS:
            vendor = VENDORS[vendor].type
        price_as = f"{vendor}/{model}" if slash else f"{kind}/{base_model}"
        self.tables.setdefault(target, {"price_as": price_as})

    @staticmethod
    def _prices(settings: Settings) -> list[tuple[tuple[int, str], _Price]]:
        found = []
        for name in settings.names():
            long = _LONG.fullmatch(name)
            ours = NAMES.get(long["name"] if long else name)
            dollars = settings.number(name, 0) if ours else None
            if ours and dollars is not None:
                above = int(long["thousands"]) * 1000 if long else 0
                found.append(((above, ours), _Price(settings.path(name), dollars)))
        return found


def _table(found: dict[tuple[int, str], _Price]) -> dict[str, Any]:
    """US dollars for a million tokens; what holds for long prompts is in `tiers`."""
    table: dict[str, Any] = {}
    tiers: dict[int, dict[str, Any]] = {}
    for (above, name), price in sorted(found.items()):
        holder = tiers.setdefault(above, {"above": above}) if above else table
        holder[name] = round(price.dollars * 1e6, 9)
    if tiers:
        table["tiers"] = list(tiers.values())
    return table
