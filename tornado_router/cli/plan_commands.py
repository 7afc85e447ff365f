"""`tornado-router plans`: list the plans."""

from __future__ import annotations

from pathlib import Path

import click

from tornado_router.cli.common import config_option, json_option, show_dollars, show_table
from tornado_router.cli.open_accounts import OpenAccounts
from tornado_router.limits.kinds import KINDS


@click.command("plans")
@config_option
@json_option
def plans_command(path: Path, *, as_json: bool) -> None:
    """List the plans of router.toml; `-` means no limit."""
    accounts = OpenAccounts(path)
    show_table(
        ("plan", "credits", *(kind.option for kind in KINDS), "models"),
        [
            (
                f"{name} (default)" if name == accounts.plans.default and not as_json else name,
                None if plan.credits is None else show_dollars(accounts.plans.first_credits(name)),
                *(getattr(plan, kind.option) for kind in KINDS),
                " ".join(plan.models),
            )
            for name, plan in sorted(accounts.plans.all().items())
        ],
        as_json=as_json,
    )
