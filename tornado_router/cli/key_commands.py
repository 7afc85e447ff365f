"""`tornado-router keys`: makes, lists, shows, changes, rotates and revokes API keys."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from tornado_router.accounts import budgets, keys, registration, users
from tornado_router.accounts.permissions import Permissions
from tornado_router.cli.common import (
    Duration,
    config_option,
    json_option,
    show_dollars,
    show_json,
    show_table,
)
from tornado_router.cli.key_options import KeyName, OrNone, as_field
from tornado_router.cli.open_accounts import ACTOR, OpenAccounts
from tornado_router.config.check import meant
from tornado_router.http.objects.keys import ApiKey as ApiKeyObject
from tornado_router.limits.kinds import KINDS
from tornado_router.routing.model_names import ModelNames
from tornado_router.storage.tables import ApiKey, User
from tornado_router.storage.values import dollar_text, now


@click.group("keys")
def keys_group() -> None:
    """Create, list, show, change, rotate and revoke API keys."""


key_argument = click.argument("key", type=KeyName())


def _limit_options(kind: click.ParamType[Any]) -> Callable[..., Any]:
    """An option of a type for each kind of limit."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for limit in reversed(KINDS):
            name = f"--{limit.option.replace('_', '-')}"
            command = click.option(name, type=kind, help=f"{limit.description}.")(command)
        return command

    return add


@keys_group.command("create")
@config_option
@click.option("--name", required=True, help="What the key is for; shown in lists and logs.")
@click.option(
    "--user",
    "email",
    help="E-mail address of its owner. Default: the administrator of the first start.",
)
@click.option(
    "--model", "models", multiple=True, help="A model, or a pattern, that it may use; repeatable."
)
@click.option(
    "--endpoint", "endpoints", multiple=True, help="An endpoint that it may use; repeatable."
)
@_limit_options(click.INT)
@click.option("--budget", help="US dollars that it may spend per period.")
@click.option(
    "--budget-period",
    type=click.Choice(budgets.PERIODS),
    default="month",
    show_default=True,
    help="When the budget starts anew.",
)
@click.option("--expires-in", type=Duration(1), help="How long it is valid, such as 90d.")
def create_key(
    path: Path, name: str, email: str | None, expires_in: int | None, **given: Any
) -> None:
    """Create a key and print it; it cannot be shown again. Whatever you leave out is unlimited."""
    accounts = OpenAccounts(path)
    values: dict[str, Any] = {"name": name} | {
        option: value for option, value in given.items() if value not in (None, ())
    }
    if expires_in is not None:
        values["expires_at"] = int(time.time()) + expires_in

    accounts.read(registration.create_administrator)
    owner = accounts.read(lambda: _owner(email))
    if not email and not owner.is_admin:
        raise click.ClickException(f"{owner.email} is not an administrator: name the --user")
    _, key = accounts.do(lambda service: service.create_key(ACTOR, owner.id, values))
    click.echo(key)
    _warn_of_unknown(accounts, given["models"])


def _warn_of_unknown(accounts: OpenAccounts, models: Sequence[str]) -> None:
    """Says which models cannot be asked for, as a pattern may be meant for later."""
    names = ModelNames(accounts.config)
    for model in models:
        if not names.may_be_asked(model):
            hint = meant(model, names.asked)
            click.echo(f"warning: --model: no model is called '{model}'{hint}", err=True)


def _owner(email: str | None) -> User:
    """Whose key it will be.

    Raises:
        ApiError: there is no such user.
        UsageError: no owner is named, and the administrator of the first start is not there.
    """
    if email:
        return users.find_named(email)
    first = User.get_or_none(User.email == registration.ADMIN_EMAIL)
    if first is None:
        raise click.UsageError(
            f"name the owner by --user: {registration.ADMIN_EMAIL}, the default, was deleted"
        )
    return first


@keys_group.command("list")
@config_option
@click.option("--user", "email", help="Only the keys of this user.")
@json_option
def list_keys(path: Path, email: str | None, *, as_json: bool) -> None:
    """List the keys that are not revoked: whose each is, its budget, and what was spent of it."""

    def rows() -> list[tuple[object, ...]]:
        owner = users.find_named(email).id if email else None
        return [_row(row) for row in keys.list_keys(owner, limit=None)]

    head = ("id", "key", "name", "user", "state", "last used", "budget", "per", "spent", "expires")
    show_table(head, OpenAccounts(path).read(rows), as_json=as_json)


def _row(row: ApiKey) -> tuple[object, ...]:
    """What a list says of a key. Blocks, as what was spent of the budget has to be looked up."""
    budget = budgets.budget_state(row)
    return (
        row.id,
        f"{row.prefix}...",
        row.name,
        row.user.email,
        _state(row),
        f"{row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never used",
        None if row.budget is None else dollar_text(row.budget),
        None if row.budget is None else row.budget_period,
        None if budget is None else dollar_text(budget.spent),
        f"{row.expires_at:%Y-%m-%d %H:%M}" if row.expires_at else None,
    )


def _state(row: ApiKey) -> str:
    if row.expires_at is not None and row.expires_at <= now():
        return "expired"
    return "active" if row.is_active and row.user.is_active else "suspended"


@keys_group.command("show")
@config_option
@key_argument
@json_option
def show_key(path: Path, key: str, *, as_json: bool) -> None:
    """Show a key, by its id or its beginning: limits, what is left of its budget, last use.

    JSON is what GET /api-keys/ID responds.
    """
    accounts = OpenAccounts(path)
    row = accounts.read(lambda: keys.find_named(key))
    if as_json:
        show_json(msgspec.to_builtins(accounts.read(lambda: ApiKeyObject.of(row))))
        return
    shown = accounts.read(lambda: _described(row))
    width = max(map(len, shown))
    for name, value in shown.items():
        click.echo(f"{name:<{width}}  {'-' if value in (None, '') else value}")


def _described(row: ApiKey) -> dict[str, object]:
    """All that there is to say of a key, by what a person calls it. Blocks."""
    budget = budgets.budget_state(row)
    permissions = Permissions.read(row.permissions)
    shown: dict[str, object] = {
        "id": row.id,
        "key": f"{row.prefix}...",
        "name": row.name,
        "user": row.user.email,
        "plan": row.user.plan,
        "state": _state(row),
        "models": _list(permissions.models),
        "endpoints": _list(permissions.endpoints),
        **{limit.description.lower(): getattr(row, limit.column) for limit in KINDS},
        "budget": None,
    }
    if budget is not None and row.budget is not None:
        per = row.budget_period if budget.renews is None else f"a {row.budget_period}"
        shown["budget"] = f"{show_dollars(row.budget)} {per}"
        shown["spent"], shown["left"] = show_dollars(budget.spent), show_dollars(budget.left)
        shown["starts anew"] = _time(budget.renews, "never")
    logged = {None: "as the route says", True: "yes", False: "no"}
    return shown | {
        "requests logged": logged[row.log_requests],
        "last used": _time(row.last_used_at, "never"),
        "created": _time(row.created_at),
        "expires": _time(row.expires_at, "never"),
        "former secret works until": _time(row.previous_expires_at),
    }


def _list(names: Sequence[str] | None) -> str:
    return "any" if names is None else ", ".join(names) or "none"


def _time(moment: datetime.datetime | None, otherwise: str = "") -> str:
    return otherwise if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


@keys_group.command("set")
@config_option
@key_argument
@click.option("--name", help="What the key is for; shown in lists and logs.")
@click.option(
    "--model",
    "models",
    multiple=True,
    type=OrNone(click.STRING),
    help="A model, or a pattern, that it may use, instead of those before; repeatable.",
)
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    type=OrNone(click.STRING),
    help="An endpoint that it may use, instead of those before; repeatable.",
)
@_limit_options(OrNone(click.INT))
@click.option(
    "--budget", type=OrNone(click.STRING), help="US dollars that it may spend per period."
)
@click.option(
    "--budget-period", type=click.Choice(budgets.PERIODS), help="When the budget starts anew."
)
@click.option(
    "--expires-in", type=OrNone(Duration(1)), help="How long it is valid from now on, such as 90d."
)
@click.option(
    "--log-requests",
    type=OrNone(click.BOOL),
    help="Whether its requests and responses are logged; none: as the route says.",
)
@click.option("--active/--no-active", "is_active", default=None, help="Whether it works.")
def set_key(path: Path, key: str, **given: Any) -> None:
    """Change a key, by its id or its beginning: whatever options you give.

    `none` lifts a limit, as in `--budget none`.
    """
    values = {name: as_field(value) for name, value in given.items() if value not in (None, ())}
    if not values:
        raise click.UsageError("nothing to change: give an option, such as --rpm 60")
    if "expires_in" in values:
        seconds = values.pop("expires_in")
        values["expires_at"] = None if seconds is None else int(time.time()) + seconds
    accounts = OpenAccounts(path)
    key_id = accounts.read(lambda: keys.find_named(key)).id
    row = accounts.do(lambda service: service.change_key(ACTOR, key_id, values))
    click.echo(f"changed key {row.id}, {row.name}; running servers follow within a moment")
    _warn_of_unknown(accounts, values.get("models") or ())


@keys_group.command("revoke")
@config_option
@key_argument
def revoke_key(path: Path, key: str) -> None:
    """Revoke a key for good, by its id or its beginning."""
    accounts = OpenAccounts(path)
    key_id = accounts.read(lambda: keys.find_named(key)).id
    accounts.do(lambda service: service.revoke_key(ACTOR, key_id))
    click.echo(f"revoked key {key_id}; running servers refuse it within a moment")


@keys_group.command("rotate")
@config_option
@key_argument
@click.option(
    "--grace",
    type=Duration(most=keys.MAX_GRACE_SECONDS),
    default=0,
    help="How long the old secret keeps working, such as 24h. Default: not at all.",
)
def rotate_key(path: Path, key: str, grace: int) -> None:
    """Give a key a new secret and print it; id, limits and budget stay."""
    accounts = OpenAccounts(path)
    key_id = accounts.read(lambda: keys.find_named(key)).id
    _, secret = accounts.do(lambda service: service.rotate_key(ACTOR, key_id, grace))
    click.echo(secret)
