"""`tornado-router usage`: what calls cost and used, by model, provider, key, user or day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from tornado_router.accounts import keys, users
from tornado_router.cli.common import (
    EVERYTHING,
    config_option,
    counted,
    json_option,
    show_json,
    show_table,
)
from tornado_router.cli.key_options import KeyName
from tornado_router.cli.open_accounts import ACTOR, OpenAccounts
from tornado_router.http.objects.usage import GROUP_FIELDS, Usage, groups_csv
from tornado_router.ledger.time_span import read_span
from tornado_router.ledger.usage_queries import GROUPINGS, Filter
from tornado_router.ledger.usage_report import Question, report

_TIME = "a day, a time with its zone, or seconds since 1970."

_COLUMNS = ("requests", "errors", "prompt_tokens", "completion_tokens", "cost")


@click.command("usage")
@config_option
@click.option(
    "--by",
    type=click.Choice(GROUPINGS),
    default="model",
    show_default=True,
    help="What the calls of a line have in common.",
)
@click.option("--since", "from", help=f"Start, in UTC: {_TIME} Default: 30 days before the end.")
@click.option("--until", "to", help=f"End, not included: {_TIME} Default: now.")
@click.option("--user", "email", help="Only calls of the user with this e-mail address.")
@click.option("--key", type=KeyName(), help="Only calls of this key, by its id or its beginning.")
@click.option("--model", help="Only calls of this model, as clients asked for it.")
@click.option("--provider", help="Only calls that this provider served.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for a spreadsheet.")
@json_option
def usage_command(path: Path, *, as_csv: bool, as_json: bool, **given: Any) -> None:
    """Show what calls cost and used, and how many there were.

    Days begin at midnight UTC; money is in US dollars. JSON and CSV are what GET /usage responds.
    """
    if as_csv and as_json:
        raise click.UsageError("choose one of --csv and --json")
    accounts = OpenAccounts(path)
    question = accounts.read(lambda: _question(**given))
    group_by = given["by"]
    if as_csv:
        groups = accounts.read(lambda: report(question)).groups
        click.echo(groups_csv(group_by, groups), nl=False)
        return
    usage = accounts.read(lambda: Usage.of(question))
    if as_json:
        show_json(msgspec.to_builtins(usage))
    else:
        _show(group_by, usage)


def _question(
    by: str,
    email: str | None,
    key: str | None,
    model: str | None,
    provider: str | None,
    **span: str | None,
) -> Question:
    """The same question as that of a query of `/usage`. Blocks.

    Raises:
        ApiError: 400, a time that is none; 404, there is no such user or key.
    """
    start, end = read_span(span["from"], span["to"])
    chosen = Filter(
        start,
        end,
        user_id=users.find_named(email).id if email else None,
        key_id=_key_id(key) if key else None,
        model=model,
        provider=provider,
    )
    return Question(chosen, by, EVERYTHING)


def _key_id(text: str) -> int:
    """The id of a key; by its id, a key that was revoked is found as well."""
    if not text.isdecimal():
        return keys.find_named(text).id
    ACTOR.check_sees(None, int(text))
    return int(text)


def _show(group_by: str, usage: Usage) -> None:
    """Prints a table for people, with the sums of all at its end."""
    fields = GROUP_FIELDS[group_by]
    rows = [
        [*(getattr(group, name) for name in fields), *(getattr(group, name) for name in _COLUMNS)]
        for group in usage.data
    ]
    total = ["total", *[None] * (len(fields) - 1)]
    rows.append([*total, *(getattr(usage.totals, name) for name in _COLUMNS)])
    show_table([name.replace("_", " ") for name in (*fields, *_COLUMNS)], rows)
    unpriced = usage.totals.unpriced  # type: ignore[attr-defined]  # made by `defstruct`
    if unpriced:
        click.echo(
            f"{counted(unpriced, 'call')} cost 0 as the model has no price: see `models`", err=True
        )
