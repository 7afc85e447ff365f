"""Credits and invites, for administrators."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from msgspec import Meta

from tornado_router.accounts import invites
from tornado_router.http.objects.accounts import User
from tornado_router.http.objects.base import (
    Dollars,
    Id,
    Object,
    Page,
    RequestBody,
    Time,
    dollars,
    timestamp,
)
from tornado_router.storage import tables

_SHORTEST, _LONGEST = invites.INVITE_BOUNDS
Lifetime = Annotated[int, Meta(ge=_SHORTEST, le=_LONGEST)]
Reason = Annotated[str, Meta(description="Why, for people.")]


class CreditEntry(Object, kw_only=True):
    """One change of a user's credits."""

    object: Literal["credit_entry"] = "credit_entry"
    id: Id
    amount: Annotated[Dollars, Meta(description="US dollars; negative if they were removed.")]
    balance: Annotated[Dollars, Meta(description="US dollars after this entry.")]
    kind: Annotated[str, Meta(description="Such as `top_up` or `adjust`.")]
    reason: Reason
    actor: Annotated[str, Meta(description="Who made this entry.")]
    created_at: Time

    @classmethod
    def of(cls, entry: tables.CreditEntry, **more: Any) -> Self:
        """The object of a row."""
        return cls(
            id=entry.id,
            amount=dollars(entry.amount),
            balance=dollars(entry.balance),
            kind=entry.kind,
            reason=entry.reason,
            actor=entry.actor,
            created_at=timestamp(entry.created_at),
            **more,
        )


class CreditEntryList(Page[CreditEntry], kw_only=True):
    """One page of credit entries."""


class CreditEntryWithUser(CreditEntry, kw_only=True):
    """A new credit entry, and the user after it."""

    user: User


class NewCreditEntry(RequestBody, kw_only=True):
    """A change of a user's credits."""

    amount: Annotated[
        int | float | str, Meta(description="US dollars; a negative amount removes them.")
    ]
    kind: Literal["top_up", "adjust"]
    reason: Reason


class Invite(Object, kw_only=True):
    """An invite to register."""

    object: Literal["invite"] = "invite"
    id: Id
    email: Annotated[
        str | None, Meta(description="The only address that may use it; null for any.")
    ]
    plan: Annotated[
        str | None, Meta(description="The plan of the account; null for the default one.")
    ]
    created_by: str
    created_at: Time
    expires_at: Time
    used_at: Time | None
    used_by: Annotated[Id | None, Meta(description="The user who registered with it.")]

    @classmethod
    def of(cls, invite: tables.Invite, **more: Any) -> Self:
        """The object of a row."""
        return cls(
            id=invite.id,
            email=invite.email,
            plan=invite.plan,
            created_by=invite.created_by,
            created_at=timestamp(invite.created_at),
            expires_at=timestamp(invite.expires_at),
            used_at=timestamp(invite.used_at),
            used_by=invite.used_by.id if invite.used_by else None,
            **more,
        )


class InviteList(Page[Invite], kw_only=True):
    """One page of invites."""


class InviteWithCode(Invite, kw_only=True):
    """A new invite."""

    code: Annotated[str, Meta(description="The code to register with. Shown only once.")]


class NewInvite(RequestBody, kw_only=True):
    """An invite to create."""

    email: Annotated[
        str | None, Meta(description="The only address that may use it; null for any.")
    ] = None
    plan: Annotated[
        str | None,
        Meta(description="The plan of the account; null for the default one."),
    ] = None
    expires_in: Annotated[
        Lifetime | None,
        Meta(description="Seconds until it expires."),
    ] = None
