"""`tornado-router keys`: makes, lists, rotates and revokes API keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tornado_router.accounts import budgets, keys, registration, users
from tornado_router.cli.common import Duration, RowId, config_option, json_option, show_table
from tornado_router.cli.open_accounts import ACTOR, OpenAccounts
from tornado_router.config.check import meant
from tornado_router.limits.kinds import KINDS
from tornado_router.routing.model_names import ModelNames
from tornado_router.storage.tables import ApiKey, User
from tornado_router.storage.values import now


@click.group("keys")
def keys_group() -> None:
    """Create, list, rotate and revoke API keys."""


def _limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each kind of limit."""
    for kind in reversed(KINDS):
        name = f"--{kind.option.replace('_', '-')}"
        command = click.option(name, type=int, help=f"{kind.description}.")(command)
    return command


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
@_limit_options
@click.option("--budget", help="US dollars that it may spend per period.")
@click.option(
    "--budget-period",
    type=click.Choice(budgets.PERIODS),
    default="month",
    show_default=True,
    help="When the budget starts anew.",
)
@click.option("--expires-in", type=Duration(), help="How long it is valid, such as 90d.")
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
    names = ModelNames(accounts.config)
    for model in given["models"]:
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
    """List the keys that are not revoked: first characters, name, owner, state and last use."""

    def rows() -> list[ApiKey]:
        return keys.list_keys(users.find_named(email).id if email else None, limit=None)

    show_table(
        ("id", "key", "name", "user", "state", "last used"),
        [
            (
                row.id,
                f"{row.prefix}...",
                row.name,
                row.user.email,
                _state(row),
                f"{row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never used",
            )
            for row in OpenAccounts(path).read(rows)
        ],
        as_json=as_json,
    )


def _state(row: ApiKey) -> str:
    if row.expires_at is not None and row.expires_at <= now():
        return "expired"
    return "active" if row.is_active and row.user.is_active else "suspended"


@keys_group.command("revoke")
@config_option
@click.argument("key_id", metavar="ID", type=RowId("keys list"))
def revoke_key(path: Path, key_id: int) -> None:
    """Revoke a key for good, by its id in `keys list`."""
    accounts = OpenAccounts(path)
    accounts.do(lambda service: service.revoke_key(ACTOR, key_id))
    click.echo(f"revoked key {key_id}; running servers refuse it within a moment")


@keys_group.command("rotate")
@config_option
@click.argument("key_id", metavar="ID", type=RowId("keys list"))
@click.option(
    "--grace",
    type=Duration(most=keys.MAX_GRACE_SECONDS),
    default=0,
    help="How long the old secret keeps working, such as 24h. Default: not at all.",
)
def rotate_key(path: Path, key_id: int, grace: int) -> None:
    """Give a key a new secret and print it; id, limits and budget stay."""
    _, key = OpenAccounts(path).do(lambda service: service.rotate_key(ACTOR, key_id, grace))
    click.echo(key)
