"""Invites to register: create, list, revoke, use. The functions block and raise `ApiError`."""

from __future__ import annotations

import datetime
import secrets
from typing import Any

from loguru import logger

from tornado_router.accounts.digest import digest
from tornado_router.accounts.plans import Plans
from tornado_router.accounts.text import clean_email
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError
from tornado_router.storage.tables import MAX_ID, Invite
from tornado_router.storage.values import now

INVITE_SECONDS = 7 * 24 * 3600

INVITE_BOUNDS = (60, 365 * 24 * 3600)
"""Seconds that an invite may be good for."""


def create_invite(
    plans: Plans,
    *,
    actor: str,
    email: str | None = None,
    plan: str | None = None,
    seconds: int = INVITE_SECONDS,
) -> tuple[Invite, str]:
    """Makes an invite; its code cannot be had a second time.

    Args:
        plans: of the deployment.
        actor: who makes it: an administrator's e-mail address, or `cli`.
        email: the only address that may use it; None for any.
        plan: of the account that is made with it; None for that of new accounts.
        seconds: for how long it is good.

    Returns:
        The invite and its code.

    Raises:
        ApiError: 400, a value cannot be used.
    """
    if plan is not None:
        plans.check(plan)
    code = secrets.token_urlsafe(24)
    invite = Invite.create(
        code_hash=digest(code),
        email=None if email is None else clean_email(email),
        plan=plan,
        created_by=actor,
        expires_at=now() + datetime.timedelta(seconds=seconds),
    )
    return invite, code


def list_invites(limit: int = 20, after: int | None = None) -> list[Invite]:
    """Invites, used ones too, newest first, and one more than `limit` if there are more."""
    query = Invite.select()
    if after is not None:
        query = query.where(Invite.id < after)
    return list(query.order_by(Invite.id.desc()).limit(limit + 1))


def revoke_invite(invite_id: int) -> None:
    """Deletes an unused invite.

    Raises:
        ApiError: 404, there is none.
    """
    unused = (Invite.id == min(invite_id, MAX_ID)) & Invite.used_at.is_null()
    if not Invite.delete().where(unused).execute():
        raise Refusal.invite_not_found(id=invite_id)


def check_invite(plans: Plans, code: str, email: str) -> None:
    """Refuses an invite that cannot be used for an e-mail address.

    Raises:
        ApiError: 403.
    """
    invite = Invite.get_or_none(_is_good_invite(code, email))
    if invite is None:
        raise _invalid_invite()
    if invite.plan is not None and plans.get(invite.plan) is None:
        logger.error("the invite {} is for the plan '{}', which is gone", invite.id, invite.plan)
        raise _invalid_invite()


def use_invite(code: str, email: str) -> Invite:
    """Uses an invite up, unless another user was quicker."""
    if not Invite.update(used_at=now()).where(_is_good_invite(code, email)).execute():
        raise _invalid_invite()
    return Invite.get(Invite.code_hash == digest(code))


def _is_good_invite(code: str, email: str) -> Any:
    return (
        (Invite.code_hash == digest(code))
        & Invite.used_at.is_null()
        & (Invite.expires_at > now())
        & (Invite.email.is_null() | (Invite.email == email))
    )


def _invalid_invite() -> ApiError:
    return Refusal.invalid_invite()
