"""Plans: what the users of a deployment may do, as `[plans.NAME]` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from tornado_router.config import check
from tornado_router.config.options import PlanOptions
from tornado_router.config.reader import Config
from tornado_router.error_codes import Refusal
from tornado_router.errors import Fault

UNLIMITED = "unlimited"
"""The plan that is always there, and limits nothing; administrators are made with it."""


class Plans:
    """The plans of a deployment.

    Args:
        options: the `[plans.NAME]` tables.
        default: the plan of a new account. Without any table it limits nothing.
    """

    def __init__(self, options: Mapping[str, PlanOptions], default: str) -> None:
        self.default = default
        self._plans = dict(options) or {default: PlanOptions()}
        self._plans[UNLIMITED] = PlanOptions()

    def get(self, name: str) -> PlanOptions | None:
        """A plan, or None if there is none of that name."""
        return self._plans.get(name)

    def check(self, name: str) -> None:
        """Refuses the name of a plan that router.toml does not have.

        Raises:
            ApiError: 400.
        """
        if name not in self._plans:
            names = ", ".join(sorted(self._plans))
            raise Refusal.plan_not_found(plans=names)

    def all(self) -> Mapping[str, PlanOptions]:
        """Every plan by its name."""
        return self._plans

    def first_credits(self, name: str) -> Decimal:
        """The US dollars that an account of a plan starts with."""
        plan = self._plans.get(name)
        return Decimal(str(plan.credits)) if plan and plan.credits is not None else Decimal(0)


def check_plans(config: Config) -> Iterator[Fault]:
    """The faults of `[plans.NAME]`, and of the option that names one of them.

    A name that no table has is never taken for a plan without limits: only where a deployment has
    no plans at all, and no client can make an account, does the default plan limit nothing.
    """
    if UNLIMITED in config.plans:
        yield Fault(
            f"plans.{UNLIMITED}",
            "is always there and limits nothing, as administrators are on it: choose another name",
        )
    name, auth = config.auth.default_plan, config.auth
    if name == UNLIMITED or name in config.plans:
        return
    if config.plans or auth.registration == "open" or name != type(auth).default_plan:
        known = dict.fromkeys([*config.plans, UNLIMITED])
        yield Fault(
            "auth.default_plan",
            f"there is no {check.table_header('plans', name)}{check.meant(name, known)}, so new "
            f"accounts would have no limits: add it, or set one of {', '.join(map(repr, known))}",
        )
