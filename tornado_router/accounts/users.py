"""Users: find, list, change and delete them. The functions block and raise `ApiError`."""

from __future__ import annotations

from typing import Any

from tornado_router.accounts.passwords import UNUSABLE
from tornado_router.accounts.plans import Plans
from tornado_router.accounts.text import MAX_EMAIL, clean_text, known_email, printable
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError
from tornado_router.storage.kept_tables import KeptBatch, KeptFile
from tornado_router.storage.storage import transaction
from tornado_router.storage.tables import (
    MAX_ID,
    ApiKey,
    CreditEntry,
    Invite,
    RequestLog,
    Resource,
    StoredEvents,
    StoredItem,
    StoredResponse,
    User,
)
from tornado_router.storage.values import now


def find_user(user_id: int, owner: int | None = None) -> User:
    """The user with an id.

    Args:
        user_id: the id.
        owner: the only user that may be found; None for any. See `Actor.owner`.

    Raises:
        ApiError: 404, there is none.
    """
    user = None
    if user_id <= MAX_ID and owner in (None, user_id):
        user = User.get_or_none(User.id == user_id, User.deleted_at.is_null())
    if user is None:
        raise _no_user(user_id)
    return user


def find_by_email(email: str) -> User | None:
    """The user with an e-mail address, as it was typed; None if there is none."""
    try:
        email = known_email(email)
    except ApiError:
        return None
    return User.get_or_none(User.email == email, User.deleted_at.is_null())


def find_named(email: str) -> User:
    """The user with an e-mail address, as it was typed.

    Raises:
        ApiError: 404, there is none.
    """
    user = find_by_email(email)
    if user is None:
        raise Refusal.user_not_found(id=f"'{email}'")
    return user


def list_users(
    search: str = "", plan: str | None = None, limit: int = 20, after: int | None = None
) -> list[User]:
    """Users, oldest first, and one more than `limit` if there are more.

    Args:
        search: part of the e-mail address or the name.
        plan: only who is on it.
        limit: how many.
        after: the id that they come behind.
    """
    query = User.select().where(User.deleted_at.is_null())
    part = printable(search.strip())
    if len(part) > MAX_EMAIL:
        return []  # no address or name is so long, and SQLite refuses a pattern of 50,000
    if part:
        query = query.where(User.email.contains(part.lower()) | User.name.contains(part))
    if plan is not None:
        query = query.where(User.plan == plan)
    if after is not None:
        query = query.where(User.id > after)
    return list(query.order_by(User.id).limit(limit + 1))


def rename(user_id: int, name: str) -> User:
    """Gives a user another name.

    Raises:
        ApiError: 400, it cannot be used; 404, there is no such user.
    """
    return update(user_id, name=clean_text(name, "name"))


def change_user(
    plans: Plans,
    user_id: int,
    *,
    name: str | None = None,
    plan: str | None = None,
    is_admin: bool | None = None,
    is_active: bool | None = None,
) -> User:
    """Changes what an administrator may change of a user; None leaves it as it is.

    Another plan does not touch the credits. A user who is no longer active loses every session.

    Raises:
        ApiError: 400, a value cannot be used; 404, there is no such user; 409, it is the last
            administrator.
    """
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = clean_text(name, "name")
    if plan is not None:
        plans.check(plan)
        changes["plan"] = plan
    if is_admin is not None:
        changes["is_admin"] = is_admin
    if is_active is not None:
        changes["is_active"] = is_active
    if is_active is False:
        changes["session_version"] = User.session_version + 1
    with transaction():
        if is_admin is False or is_active is False:
            _check_not_last_administrator(user_id)
        return update(user_id, **changes)


def delete_user(user_id: int) -> None:
    """Erases the name and the address of a user, and revokes the keys; usage stays under the id.

    Raises:
        ApiError: 404, there is no such user; 409, it is the last administrator.
    """
    with transaction():
        _check_not_last_administrator(user_id)
        moment = now()
        _forget_name(find_user(user_id))
        update(
            user_id,
            email=f"deleted:{user_id}",
            name="",
            password_hash=UNUSABLE,
            is_admin=False,
            is_active=False,
            deleted_at=moment,
            session_version=User.session_version + 1,
        )
        ApiKey.update(is_active=False, revoked_at=moment).where(
            ApiKey.user == user_id, ApiKey.revoked_at.is_null()
        ).execute()
        ApiKey.update(name="").where(ApiKey.user == user_id).execute()
        RequestLog.delete().where(RequestLog.user_id == user_id).execute()
        Resource.delete().where(Resource.user_id == user_id).execute()
        KeptFile.update(is_whole=False, expires_at=moment).where(
            KeptFile.user_id == user_id
        ).execute()
        KeptBatch.update(ended_at=moment, keep_until=moment, runner="").where(
            KeptBatch.user_id == user_id
        ).execute()
        StoredItem.delete().where(StoredItem.user_id == user_id).execute()
        stored = StoredResponse.select(StoredResponse.id).where(StoredResponse.user_id == user_id)
        StoredEvents.delete().where(StoredEvents.stored_id.in_(stored)).execute()
        StoredResponse.delete().where(StoredResponse.user_id == user_id).execute()


def _forget_name(user: User) -> None:
    """Leaves the number where the address of the deleted user was recorded."""
    nameless = f"user:{user.id}"
    CreditEntry.update(actor=nameless).where(CreditEntry.actor == user.email).execute()
    Invite.update(created_by=nameless).where(Invite.created_by == user.email).execute()
    Invite.update(email=None).where(
        (Invite.used_by == user.id) | ((Invite.email == user.email) & Invite.used_at.is_null(False))
    ).execute()


def update(user_id: int, **columns: Any) -> User:
    """Writes columns of a user who is there, and returns the row.

    Raises:
        ApiError: 404.
    """
    with transaction():
        find_user(user_id)
        User.update(updated_at=now(), **columns).where(User.id == user_id).execute()
        return User.get_by_id(user_id)


def _no_user(user_id: int) -> ApiError:
    return Refusal.user_not_found(id=user_id)


def _check_not_last_administrator(user_id: int) -> None:
    user = find_user(user_id)
    others = User.select().where(
        User.is_admin,
        User.is_active,
        User.id != user_id,
        User.password_hash != UNUSABLE,  # as has the administrator of the first start
    )
    if user.is_admin and user.is_active and not others.exists():
        raise Refusal.last_admin()
