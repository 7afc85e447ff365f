"""`tornado-router credits`: change and list credits."""

from __future__ import annotations

from pathlib import Path

import click

from tornado_router.accounts import credits, users
from tornado_router.accounts.credits import EntryKind
from tornado_router.cli.common import (
    EVERYTHING,
    config_option,
    json_option,
    show_dollars,
    show_table,
)
from tornado_router.cli.open_accounts import ACTOR, OpenAccounts
from tornado_router.storage.tables import CreditEntry


@click.group("credits")
def credits_group() -> None:
    """Change and list users' credits."""


@credits_group.command("add", context_settings={"ignore_unknown_options": True})
@config_option
@click.argument("email")
@click.argument("amount")
@click.option("--reason", required=True, help="Reason to record with the change.")
def add_credits(path: Path, email: str, amount: str, reason: str) -> None:
    """Add US dollars, such as 12.50, to a user's credits."""
    if amount.startswith("-"):
        raise click.UsageError("to take credits away, use `credits adjust`")
    _change(path, email, amount, "top_up", reason)


@credits_group.command("adjust", context_settings={"ignore_unknown_options": True})
@config_option
@click.argument("email")
@click.argument("amount")
@click.option("--reason", required=True, help="Reason to record with the change.")
def adjust_credits(path: Path, email: str, amount: str, reason: str) -> None:
    """Correct a user's credits up or down, such as by -2.50; never below 0."""
    _change(path, email, amount, "adjust", reason)


@credits_group.command("list")
@config_option
@click.argument("email")
@json_option
def list_credits(path: Path, email: str, *, as_json: bool) -> None:
    """List the changes to a user's credits, newest first."""

    def rows() -> list[CreditEntry]:
        return credits.list_entries(users.find_named(email).id, limit=EVERYTHING)

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
            for entry in OpenAccounts(path).read(rows)
        ],
        as_json=as_json,
    )


def _change(path: Path, email: str, amount: str, kind: EntryKind, reason: str) -> None:
    accounts = OpenAccounts(path)
    user_id = accounts.read(lambda: users.find_named(email)).id
    _, user = accounts.do(
        lambda service: service.change_credits(ACTOR, user_id, amount, kind, reason)
    )
    click.echo(f"{user.email} has {show_dollars(user.credits)} US dollars now")
