"""`tornado-router invites`: create, list and revoke invites."""

from __future__ import annotations

from pathlib import Path

import click

from tornado_router.accounts import invites
from tornado_router.cli.common import (
    EVERYTHING,
    Duration,
    RowId,
    config_option,
    json_option,
    show_table,
)
from tornado_router.cli.open_accounts import ACTOR, OpenAccounts


@click.group("invites")
def invites_group() -> None:
    """Create, list and revoke invites to register."""


@invites_group.command("create")
@config_option
@click.option("--email", help="The only e-mail address that may use it.")
@click.option("--plan", help="The plan of the account that is created with it.")
@click.option(
    "--expires-in",
    type=Duration(*invites.INVITE_BOUNDS),
    default="7d",
    show_default=True,
    help="How long it is valid.",
)
def create_invite(path: Path, email: str | None, plan: str | None, expires_in: int) -> None:
    """Create an invite and print its code, which cannot be shown again."""
    accounts = OpenAccounts(path)
    _, code = accounts.read(
        lambda: invites.create_invite(
            accounts.plans, actor=ACTOR.name, email=email, plan=plan, seconds=expires_in
        )
    )
    click.echo(code)


@invites_group.command("list")
@config_option
@json_option
def list_invites(path: Path, *, as_json: bool) -> None:
    """List invites, newest first."""
    rows = OpenAccounts(path).read(
        lambda: [
            (
                invite.id,
                invite.email or "any address",
                invite.plan,
                f"{invite.expires_at:%Y-%m-%d %H:%M}",
                "used" if invite.used_at else "unused",
                invite.created_by,
            )
            for invite in invites.list_invites(limit=EVERYTHING)
        ]
    )
    show_table(("id", "for", "plan", "good until", "state", "by"), rows, as_json=as_json)


@invites_group.command("revoke")
@config_option
@click.argument("invite_id", metavar="ID", type=RowId("invites list"))
def revoke_invite(path: Path, invite_id: int) -> None:
    """Revoke an unused invite."""
    OpenAccounts(path).read(lambda: invites.revoke_invite(invite_id))
    click.echo(f"revoked invite {invite_id}")
