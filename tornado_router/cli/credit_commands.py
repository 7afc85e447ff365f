"""`tornado-router credits`: change and list credits."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from tornado_router.accounts import credits
from tornado_router.accounts.text import parse_dollars
from tornado_router.cli.common import (
    ACTOR,
    EVERYTHING,
    Books,
    config_option,
    find_user,
    show_dollars,
    show_table,
)
from tornado_router.storage.tables import CreditEntry


@click.group("credits")
def credits_group() -> None:
    """Change and list users' credits."""


@credits_group.command("add")
@config_option
@click.argument("email")
@click.argument("amount")
@click.option("--reason", required=True, help="Reason to record with the change.")
def add_credits(path: Path, email: str, amount: str, reason: str) -> None:
    """Add US dollars, such as 12.50, to a user's credits."""
    _grant(path, email, amount, "top_up", reason)


@credits_group.command("adjust", context_settings={"ignore_unknown_options": True})
@config_option
@click.argument("email")
@click.argument("amount")
@click.option("--reason", required=True, help="Reason to record with the change.")
def adjust_credits(path: Path, email: str, amount: str, reason: str) -> None:
    """Correct a user's credits up or down, such as by -2.50; never below 0."""
    _grant(path, email, amount, "adjust", reason)


@credits_group.command("list")
@config_option
@click.argument("email")
def list_credits(path: Path, email: str) -> None:
    """List the changes to a user's credits, newest first."""

    def rows() -> list[CreditEntry]:
        return credits.list_entries(find_user(email).id, limit=EVERYTHING)

    show_table(
        ("time", "amount", "balance", "kind", "by", "reason"),
        [
            (
                f"{entry.created_at:%Y-%m-%d %H:%M}",
                show_dollars(entry.amount),
                show_dollars(entry.balance),
                entry.kind,
                entry.actor,
                entry.reason,
            )
            for entry in Books(path).call(rows)
        ],
    )


def _grant(path: Path, email: str, amount: str, kind: Any, reason: str) -> None:
    books = Books(path)

    def grant() -> tuple[int, Decimal]:
        user = find_user(email)
        dollars = parse_dollars(amount)
        return user.id, credits.grant(user.id, dollars, kind, reason, ACTOR).balance

    user_id, balance = books.call(grant)
    books.announce(user_id)
    click.echo(f"{email} has {show_dollars(balance)} US dollars now")
