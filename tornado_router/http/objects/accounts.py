"""Users, their sessions, and what people may change of their own account."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from msgspec import UNSET, Meta, UnsetType

from tornado_router.accounts.plans import Plans
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

PlanName = Annotated[str, Meta(description="A plan of router.toml.")]
IsAdmin = Annotated[bool, Meta(description="Whether they are an administrator.")]
IsActive = Annotated[bool, Meta(description="Whether they can log in and their keys work.")]


class User(Object, kw_only=True):
    """An account."""

    object: Literal["user"] = "user"
    id: Id
    email: str
    name: str
    plan: PlanName
    credits: Annotated[
        Dollars | None,
        Meta(description="What is left, in US dollars; null if the plan has no credits."),
    ]
    spent: Dollars
    is_admin: IsAdmin
    is_active: IsActive
    created_at: Time

    @classmethod
    def of(cls, user: tables.User, plans: Plans) -> Self:
        """The object of a row."""
        plan = plans.get(user.plan)
        return cls(
            id=user.id,
            email=user.email,
            name=user.name,
            plan=user.plan,
            credits=dollars(user.credits) if plan and plan.credits is not None else None,
            spent=dollars(user.spent),
            is_admin=user.is_admin,
            is_active=user.is_active,
            created_at=timestamp(user.created_at),
        )


class UserList(Page[User], kw_only=True):
    """One page of users."""


class Session(Object, kw_only=True):
    """A signed-in user."""

    user: User
    token: Annotated[str, Meta(description="Send it as `Authorization: Bearer TOKEN`.")]
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme
    expires_at: Time


class Registration(RequestBody, kw_only=True):
    """A new account."""

    email: str
    password: str
    name: str | None = None
    invite: str | None = None


class Credentials(RequestBody, kw_only=True):
    """What a user logs in with."""

    email: str
    password: str


class Profile(RequestBody, kw_only=True):
    """What users may change of their account."""

    name: str | UnsetType = UNSET


class PasswordProof(RequestBody, kw_only=True):
    """The password, to confirm that it is the user who asks."""

    password: str


class PasswordChange(RequestBody, kw_only=True):
    """A new password, and the current one as proof."""

    current_password: str
    new_password: str


class Nothing(RequestBody, kw_only=True):
    """An object without fields."""


class NewUser(RequestBody, kw_only=True):
    """A user whom an administrator creates."""

    email: str
    password: str | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    plan: PlanName | UnsetType = UNSET
    is_admin: IsAdmin | UnsetType = UNSET


class UserChanges(RequestBody, kw_only=True):
    """What administrators may change of a user."""

    name: str | UnsetType = UNSET
    plan: PlanName | UnsetType = UNSET
    is_admin: IsAdmin | UnsetType = UNSET
    is_active: IsActive | UnsetType = UNSET


class NewPassword(RequestBody, kw_only=True):
    """A password that an administrator sets."""

    new_password: str
