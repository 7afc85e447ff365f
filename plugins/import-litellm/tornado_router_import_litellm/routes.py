"""The `[routes.NAME]` tables: LiteLLM's groups of deployments, their aliases and fallbacks.

See https://docs.litellm.ai/docs/routing and https://docs.litellm.ai/docs/proxy/reliability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tornado_router_import_litellm.references import Note, plain
from tornado_router_import_litellm.settings import Settings

STRATEGIES = {
    "simple-shuffle": "weighted",
    "least-busy": "least-busy",
    "latency-based-routing": "fastest",
    "cost-based-routing": "cheapest",
    "usage-based-routing": "least-busy",
    "usage-based-routing-v2": "least-busy",
}

SHARES = ("weight", "rpm", "tpm")
"""What `simple-shuffle` goes by: the first of these that the first deployment has."""

NO_LIMIT = "limits are set for keys, users and plans, not for targets"


@dataclass
class _Deployment:
    """One of the deployments that share a name.

    Attributes:
        target: `provider/model`.
        where: its path in the file.
        shares: those of `SHARES` that it has.
        order: lower ones go first; None for last.
        copies: how many of the file it stands for.
    """

    target: str
    where: str
    shares: dict[str, float] = field(default_factory=dict)
    order: float | None = None
    copies: int = 1


class _Plan(NamedTuple):
    """Which targets a route has, before those of its fallbacks."""

    targets: list[str]
    strategy: str
    weights: list[float]


class Routes:
    """The routes of one file.

    Args:
        note: notes for the operator what is different or left out.
    """

    def __init__(self, note: Note) -> None:
        self._note = note
        self._groups: dict[str, list[_Deployment]] = {}
        self._aliases: dict[str, str] = {}
        self._fallbacks: dict[str, list[str]] = {}

    def add(self, name: str, target: str, params: Settings, where: str) -> None:
        """Adds a deployment to those of its name.

        Args:
            name: its `model_name`.
            target: `provider/model`.
            params: its `litellm_params`.
            where: its path in the file.
        """
        shares = {share: params.number(share, 0) for share in SHARES}
        found = _Deployment(
            target,
            where,
            {share: number for share, number in shares.items() if number is not None},
            params.number("order", float("-inf")),
        )
        group = self._groups.setdefault(name, [])
        for other in group:
            if other.target == target and other.order == found.order:
                self._note(where, f"is the same target as {other.where}: they became one")
                other.copies += 1
                for share, number in found.shares.items():
                    other.shares[share] = other.shares.get(share, 0) + number
                return
        group.append(found)

    def read_aliases(self, router: Settings) -> None:
        """Takes `model_group_alias`, once all deployments are known."""
        for alias, value in (router.take("model_group_alias", dict) or {}).items():
            where = f"{router.where}.model_group_alias.{alias}"
            entry = Settings(value, where) if isinstance(value, Mapping) else Settings({}, where)
            name = entry.take("model", str) if isinstance(value, Mapping) else value
            if not isinstance(name, str) or name not in self._groups:
                self._note(where, "stands for no model of the file: left out")
            elif alias in self._groups:
                self._note(where, "is the name of a model, too: left out")
            elif str(alias).count("*") > 1 or ("*" not in str(alias) and self._is_pattern(name)):
                self._note(where, "cannot be a name: a `*` in it or in its model has no meaning")
            else:
                self._aliases[str(alias)] = name
            if entry.take("hidden", bool):
                self._note(f"{where}.hidden", "has no equivalent: GET /v1/models lists the alias")
            for path in entry.left():
                self._note(path, "has no equivalent: left out")

    def read_fallbacks(self, settings: Settings) -> None:
        """Takes `fallbacks` and `default_fallbacks`, once deployments and aliases are known."""
        where = settings.path("fallbacks")
        for index, table in enumerate(settings.take("fallbacks", list) or []):
            if isinstance(table, Mapping):
                for name, names in table.items():
                    self._follow(str(name), names, f"{where}[{index}].{name}")
            else:
                self._note(f"{where}[{index}]", "is not a table: left out")
        names = settings.take("default_fallbacks", list)
        if names:
            self._follow("*", names, settings.path("default_fallbacks"))

    def tables(self, strategy: str) -> dict[str, dict[str, Any]]:
        """The tables, by the names of the routes.

        Args:
            strategy: of all of them, as LiteLLM calls it.
        """
        ours = STRATEGIES.get(strategy, "weighted")
        if strategy not in STRATEGIES or strategy.startswith("usage-based"):
            self._note("router_settings.routing_strategy", f"'{strategy}' became `{ours}`")
        plans = {name: self._plan(group, ours) for name, group in self._groups.items()}
        names = {name: name for name in self._groups} | self._aliases
        return {name: self._table(name, group, plans[group]) for name, group in names.items()}

    def _follow(self, name: str, names: object, where: str) -> None:
        if name != "*" and name not in self._groups and name not in self._aliases:
            self._note(where, f"'{name}' is not a model of the file: left out")
            return
        for other in (
            [names] if isinstance(names, str) else names if isinstance(names, list) else []
        ):
            if isinstance(other, str) and other in {*self._groups, *self._aliases}:
                self._fallbacks.setdefault(name, []).append(self._aliases.get(other, other))
            else:
                what = f"'{other}' is" if isinstance(other, str) else "something is"
                self._note(where, f"{what} no model of the file: left out")
        if not isinstance(names, str | list):
            self._note(where, "is not a list of models: left out")

    def _is_pattern(self, name: str) -> bool:
        return any("*" in deployment.target for deployment in self._groups[name])

    def _plan(self, group: list[_Deployment], strategy: str) -> _Plan:
        group = sorted(group, key=lambda item: float("inf") if item.order is None else item.order)
        first = [item for item in group if item.order == group[0].order]
        rest = group[len(first) :]
        weights: list[float] = []
        if len(first) == 1:
            strategy = "ordered"
        elif strategy == "weighted":
            weights = self._weights(first) + [0.0] * len(rest)
        else:
            for item in rest:
                why = f"takes part in the strategy `{strategy}`, whatever its `order`"
                self._note(item.where, why)
        self._unshared(group)
        return _Plan([item.target for item in group], strategy, weights)

    def _weights(self, group: Sequence[_Deployment]) -> list[float]:
        """How often each goes first: by `weight`, `rpm` or `tpm`, whichever the first one has."""
        for share in SHARES:
            numbers = [item.shares.get(share) for item in group]
            if numbers[0] is None or not any(numbers):
                continue
            for item, number in zip(group, numbers, strict=True):
                item.shares.pop(share, None)
                where = f"{item.where}.litellm_params"
                if number is None:
                    self._note(where, f"has no {share}: as in LiteLLM, it only follows the others")
                elif share != "weight":
                    self._note(f"{where}.{share}", f"became the target's weight; {NO_LIMIT}")
            return [number or 0.0 for number in numbers]
        return [float(item.copies) for item in group]

    def _unshared(self, group: Sequence[_Deployment]) -> None:
        """Notes the numbers that say nothing here."""
        for item in group:
            for share in item.shares:
                why = "says nothing here: left out" if share == "weight" else NO_LIMIT
                self._note(f"{item.where}.litellm_params.{share}", why)

    def _table(self, name: str, group: str, plan: _Plan) -> dict[str, Any]:
        targets = list(plan.targets)
        fallbacks = self._fallbacks
        for other in fallbacks.get(name) or fallbacks.get(group) or fallbacks.get("*", []):
            for deployment in self._groups[other]:
                if "*" in deployment.target and "*" not in name:
                    self._note(f"fallbacks.{name}", f"'{other}' has a `*`: left out")
                elif deployment.target not in targets:
                    targets.append(deployment.target)
        table: dict[str, Any] = {"targets": [plain(target) for target in targets]}
        followers = len(targets) - len(plan.targets)
        if plan.strategy not in ("ordered", "weighted") and followers:
            # Any other strategy would send calls to the fallbacks while all is well.
            why = f"`{plan.strategy}` became `weighted`, in which its fallbacks only follow"
            self._note(f"fallbacks.{name}", why)
            plan = plan._replace(strategy="weighted", weights=[1.0] * len(plan.targets))
        if plan.strategy == "weighted":
            table["weights"] = plan.weights + [0.0] * followers
        if plan.strategy != "ordered":
            table["strategy"] = plan.strategy
        return table
