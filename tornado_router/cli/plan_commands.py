"""`tornado-router plans`: list the plans."""

from __future__ import annotations

from pathlib import Path

import click

from tornado_router.cli.common import Books, config_option, show_dollars, show_table


@click.command("plans")
@config_option
def plans_command(path: Path) -> None:
    """List the plans of router.toml; `-` means no limit."""
    books = Books(path)
    show_table(
        ("plan", "credits", "rpm", "tpm", "in flight", "models"),
        [
            (
                f"{name} (default)" if name == books.plans.default else name,
                None if plan.credits is None else show_dollars(books.plans.first_credits(name)),
                plan.rpm,
                plan.tpm,
                plan.max_in_flight,
                " ".join(plan.models),
            )
            for name, plan in sorted(books.plans.all().items())
        ],
    )
