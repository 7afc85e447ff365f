"""Plans: what the users of a deployment may do, as `[plans.NAME]` says."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tornado_router.config.options import PlanOptions
from tornado_router.error_codes import Refusal

UNLIMITED = "unlimited"
"""The plan that is always there, and limits nothing; administrators are made with it."""


class Plans:
    """The plans of a deployment.

    Args:
        options: the `[plans.NAME]` tables.
        default: the plan of a new account. If no table has its name, it limits nothing.
    """

    def __init__(self, options: Mapping[str, PlanOptions], default: str) -> None:
        self.default = default
        self._plans = {UNLIMITED: PlanOptions(), default: PlanOptions(), **options}

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
