"""`tornado-router users`: create, list, change and delete users."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tornado_router.accounts import registration, users
from tornado_router.cli.common import (
    EVERYTHING,
    config_option,
    json_option,
    show_dollars,
    show_json,
    show_table,
)
from tornado_router.cli.open_accounts import ACTOR, OpenAccounts
from tornado_router.storage.tables import User

password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)


@click.group("users")
def users_group() -> None:
    """Create, list, change and delete users."""


@users_group.command("create")
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
    accounts = OpenAccounts(path)
    password = _ask_password(password_stdin)
    accounts.read(registration.create_administrator)  # as a first start would
    user = accounts.do(
        lambda service: service.create_user(
            ACTOR, email, password=password, name=name, plan=plan, is_admin=admin
        )
    )
    click.echo(f"created user {user.id}, {user.email}, on the plan {user.plan}")


@users_group.command("list")
@config_option
@click.option("--search", default="", help="Part of the e-mail address or the name.")
@json_option
def list_users(path: Path, search: str, *, as_json: bool) -> None:
    """List users with their plan, credits, spending and state."""
    accounts = OpenAccounts(path)
    rows = accounts.read(lambda: users.list_users(search, limit=EVERYTHING))
    show_table(
        ("id", "e-mail", "name", "plan", "credits", "spent", "state"),
        [
            (
                user.id,
                user.email,
                user.name,
                user.plan,
                _credits(accounts, user),
                show_dollars(user.spent),
                _state(user),
            )
            for user in rows
        ],
        as_json=as_json,
    )


@users_group.command("show")
@config_option
@click.argument("email")
@json_option
def show_user(path: Path, email: str, *, as_json: bool) -> None:
    """Show one user."""
    accounts = OpenAccounts(path)
    user = accounts.read(lambda: users.find_named(email))
    shown = {
        "id": user.id,
        "e-mail": user.email,
        "name": user.name,
        "plan": user.plan,
        "credits": _credits(accounts, user),
        "spent": show_dollars(user.spent),
        "state": _state(user),
        "since": f"{user.created_at:%Y-%m-%d %H:%M} UTC",
    }
    if as_json:
        show_json({name.replace("-", ""): value for name, value in shown.items()})
        return
    for name, value in shown.items():
        click.echo(f"{name:<8}  {value or '-'}")


@users_group.command("set")
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
    accounts = OpenAccounts(path)
    user_id = accounts.read(lambda: users.find_named(email)).id
    user = accounts.do(
        lambda service: service.change_user(
            user_id, name=name, plan=plan, is_admin=admin, is_active=active
        )
    )
    click.echo(f"{user.email}: plan {user.plan}, {_state(user)}")


@users_group.command("password")
@config_option
@click.argument("email")
@password_option
def set_password(path: Path, email: str, password_stdin: bool) -> None:
    """Set a new password and end all of the user's sessions. Asks for the password."""
    accounts = OpenAccounts(path)
    user = accounts.read(lambda: users.find_named(email))
    password = _ask_password(password_stdin)
    accounts.do(lambda service: service.set_password(user.id, password))
    click.echo(f"{user.email} has a new password; all sessions were ended")


@users_group.command("delete")
@config_option
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete_user(path: Path, email: str, yes: bool) -> None:
    """Delete a user and revoke the keys; usage is kept under the user's number."""
    accounts = OpenAccounts(path)
    user = accounts.read(lambda: users.find_named(email))
    if not yes:
        click.confirm(f"Delete {user.email} and revoke all keys?", abort=True)
    accounts.do(lambda service: service.delete_user(user.id))
    click.echo(f"deleted user {user.id}")


def _ask_password(from_stdin: bool) -> str:
    """A password that is typed in."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not _has_terminal():
        raise click.UsageError("no terminal to ask for the password at: use --password-stdin")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _has_terminal() -> bool:
    """Whether a password can be typed without being shown."""
    if sys.stdin.isatty():
        return True
    try:
        Path("/dev/tty").open("rb").close()
    except OSError:
        return False
    return True


def _credits(accounts: OpenAccounts, user: User) -> str | None:
    plan = accounts.plans.get(user.plan)
    return show_dollars(user.credits) if plan and plan.credits is not None else None


def _state(user: User) -> str:
    state = "active" if user.is_active else "disabled"
    return f"{state}, administrator" if user.is_admin else state
