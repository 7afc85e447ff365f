"""`tornado-router users`, `credits`, `invites` and `plans`: what administrators do."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from tornado_router.accounts import accounts
from tornado_router.accounts.passwords import check_password, hash_password
from tornado_router.cli.common import ACTOR, Books, Duration, config_option, show_table
from tornado_router.cli.key_commands import find_user
from tornado_router.errors import ApiError
from tornado_router.storage.tables import CreditEntry, User

_EVERYTHING = 1_000_000
"""Rows of a list that a command prints; lists of the server are read in pages."""

password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)


@click.group()
def users() -> None:
    """Create, list, change and delete users."""


@users.command("create")
@config_option
@click.option("--email", required=True, help="E-mail address that the user logs in with.")
@click.option("--name", default="", help="The user's name.")
@click.option(
    "--plan",
    help="A plan of router.toml. Default: the plan of new accounts, or `unlimited` with --admin.",
)
@click.option("--admin", is_flag=True, help="Make the user an administrator.")
@password_option
def create_user(
    path: Path, *, email: str, name: str, plan: str | None, admin: bool, password_stdin: bool
) -> None:
    """Create a user. Asks for a password."""
    books = Books(path)
    password_hash = _ask_password(books, email, password_stdin)

    def create() -> User:
        accounts.create_administrator()  # as a first start would
        return accounts.create_user(
            books.plans,
            email,
            actor=ACTOR,
            password_hash=password_hash,
            name=name,
            plan=plan,
            is_admin=admin,
        )

    user = books.call(create)
    click.echo(f"created user {user.id}, {user.email}, on the plan {user.plan}")


@users.command("list")
@config_option
@click.option("--search", default="", help="Part of the e-mail address or the name.")
def list_users(path: Path, search: str) -> None:
    """List users with their plan, credits, spending and state."""
    books = Books(path)
    rows = books.call(lambda: accounts.list_users(search, limit=_EVERYTHING))
    show_table(
        ("id", "e-mail", "name", "plan", "credits", "spent", "state"),
        [
            (
                user.id,
                user.email,
                user.name,
                user.plan,
                _credits(books, user),
                _dollars(user.spent),
                _state(user),
            )
            for user in rows
        ],
    )


@users.command("show")
@config_option
@click.argument("email")
def show_user(path: Path, email: str) -> None:
    """Show one user."""
    books = Books(path)
    user = books.call(lambda: find_user(email))
    for name, value in (
        ("id", user.id),
        ("e-mail", user.email),
        ("name", user.name or "-"),
        ("plan", user.plan),
        ("credits", _credits(books, user)),
        ("spent", _dollars(user.spent)),
        ("state", _state(user)),
        ("since", f"{user.created_at:%Y-%m-%d %H:%M} UTC"),
    ):
        click.echo(f"{name:<8}  {value}")


@users.command("set")
@config_option
@click.argument("email")
@click.option("--name", help="The user's name.")
@click.option("--plan", help="A plan of router.toml.")
@click.option("--admin/--no-admin", default=None, help="Whether the user is an administrator.")
@click.option(
    "--active/--no-active", default=None, help="Whether the user can log in and use keys."
)
def set_user(
    path: Path,
    *,
    email: str,
    name: str | None,
    plan: str | None,
    admin: bool | None,
    active: bool | None,
) -> None:
    """Change a user: whatever options you give."""
    books = Books(path)
    user = books.call(
        lambda: accounts.set_user(
            books.plans,
            find_user(email).id,
            name=name,
            plan=plan,
            is_admin=admin,
            is_active=active,
        )
    )
    books.announce(user.id)
    click.echo(f"{user.email}: plan {user.plan}, {_state(user)}")


@users.command("password")
@config_option
@click.argument("email")
@password_option
def set_password(path: Path, email: str, password_stdin: bool) -> None:
    """Set a new password and log the user out everywhere. Asks for the password."""
    books = Books(path)
    user = books.call(lambda: find_user(email))
    password_hash = _ask_password(books, user.email, password_stdin)
    books.call(lambda: accounts.set_password(user.id, password_hash))
    click.echo(f"{user.email} has another password, and is logged out everywhere")


@users.command("delete")
@config_option
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete_user(path: Path, email: str, yes: bool) -> None:
    """Delete a user and revoke the keys; usage is kept under the user's number."""
    books = Books(path)
    user = books.call(lambda: find_user(email))
    if not yes:
        click.confirm(f"Delete {user.email} and revoke all keys?", abort=True)
    books.call(lambda: accounts.delete_account(user.id))
    books.announce(user.id)
    click.echo(f"deleted user {user.id}")


@click.group("credits")
def credit() -> None:
    """Change and list users' credits."""


@credit.command("add")
@config_option
@click.argument("email")
@click.argument("amount")
@click.option("--reason", required=True, help="Reason to record with the change.")
def add_credits(path: Path, email: str, amount: str, reason: str) -> None:
    """Add US dollars, such as 12.50, to a user's credits."""
    _grant(path, email, amount, "top_up", reason)


@credit.command("adjust", context_settings={"ignore_unknown_options": True})
@config_option
@click.argument("email")
@click.argument("amount")
@click.option("--reason", required=True, help="Reason to record with the change.")
def adjust_credits(path: Path, email: str, amount: str, reason: str) -> None:
    """Correct a user's credits up or down, such as by -2.50; never below 0."""
    _grant(path, email, amount, "adjust", reason)


@credit.command("list")
@config_option
@click.argument("email")
def list_credits(path: Path, email: str) -> None:
    """List the changes to a user's credits, newest first."""

    def rows() -> list[CreditEntry]:
        return accounts.list_entries(find_user(email).id, limit=_EVERYTHING)

    show_table(
        ("time", "amount", "balance", "kind", "by", "reason"),
        [
            (
                f"{entry.created_at:%Y-%m-%d %H:%M}",
                _dollars(entry.amount),
                _dollars(entry.balance),
                entry.kind,
                entry.actor,
                entry.reason,
            )
            for entry in Books(path).call(rows)
        ],
    )


@click.group()
def invites() -> None:
    """Create, list and revoke invites to register."""


@invites.command("create")
@config_option
@click.option("--email", help="The only e-mail address that may use it.")
@click.option("--plan", help="The plan of the account that is created with it.")
@click.option(
    "--expires-in",
    type=Duration(*accounts.INVITE_BOUNDS),
    default="7d",
    show_default=True,
    help="How long it is valid.",
)
def create_invite(path: Path, email: str | None, plan: str | None, expires_in: int) -> None:
    """Create an invite and print its code, which cannot be shown again."""
    books = Books(path)
    _, code = books.call(
        lambda: accounts.create_invite(
            books.plans, actor=ACTOR, email=email, plan=plan, seconds=expires_in
        )
    )
    click.echo(code)


@invites.command("list")
@config_option
def list_invites(path: Path) -> None:
    """List invites, newest first."""
    rows = Books(path).call(
        lambda: [
            (
                invite.id,
                invite.email or "anybody",
                invite.plan,
                f"{invite.expires_at:%Y-%m-%d %H:%M}",
                "used" if invite.used_at else "unused",
                invite.created_by,
            )
            for invite in accounts.list_invites(limit=_EVERYTHING)
        ]
    )
    show_table(("id", "for", "plan", "good until", "state", "by"), rows)


@invites.command("revoke")
@config_option
@click.argument("invite_id", metavar="ID", type=click.IntRange(0))
def revoke_invite(path: Path, invite_id: int) -> None:
    """Revoke an invite that nobody has used."""
    Books(path).call(lambda: accounts.revoke_invite(invite_id))
    click.echo(f"revoked invite {invite_id}")


@click.command()
@config_option
def plans(path: Path) -> None:
    """List the plans of router.toml; `-` means no limit."""
    books = Books(path)
    show_table(
        ("plan", "credits", "rpm", "tpm", "in flight", "models"),
        [
            (
                f"{name} (default)" if name == books.plans.default else name,
                None if plan.credits is None else _dollars(books.plans.first_credits(name)),
                plan.rpm,
                plan.tpm,
                plan.max_in_flight,
                " ".join(plan.models),
            )
            for name, plan in sorted(books.plans.all().items())
        ],
    )


def _grant(path: Path, email: str, amount: str, kind: Any, reason: str) -> None:
    books = Books(path)

    def grant() -> tuple[int, Decimal]:
        user = find_user(email)
        dollars = accounts.parse_dollars(amount)
        return user.id, accounts.grant(user.id, dollars, kind, reason, ACTOR).balance

    user_id, balance = books.call(grant)
    books.announce(user_id)
    click.echo(f"{email} has {_dollars(balance)} US dollars now")


def _ask_password(books: Books, email: str, from_stdin: bool) -> str:
    """The hash of a password that is typed in; one that is not good enough ends the command."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    options = books.config.auth
    try:
        check_password(password, min_length=options.password_min_length, email=email)
    except ApiError as error:
        raise click.ClickException(error.message) from None
    return hash_password(password, options.bcrypt_rounds)


def _credits(books: Books, user: User) -> str | None:
    plan = books.plans.get(user.plan)
    return _dollars(user.credits) if plan and plan.credits is not None else None


def _dollars(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _state(user: User) -> str:
    state = "active" if user.is_active else "disabled"
    return f"{state}, administrator" if user.is_admin else state
