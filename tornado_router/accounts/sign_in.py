"""Signs people in by their passwords, changes passwords, and ends sessions."""

from __future__ import annotations

from typing import Any

from tornado_router.accounts.passwords import Passwords
from tornado_router.accounts.users import find_by_email, find_user, update
from tornado_router.error_codes import Refusal
from tornado_router.storage.storage import Storage, transaction
from tornado_router.storage.tables import User
from tornado_router.storage.values import now


async def authenticate(storage: Storage, passwords: Passwords, email: str, password: str) -> User:
    """The user whose e-mail address and password they are.

    It is the same work whether or not there is such an account, so the time does not tell.

    Raises:
        ApiError: 401, whatever is wrong; 503, too many sign in at once.
    """
    user = await storage.run(lambda: find_by_email(email))
    is_right = await passwords.verify(password, user.password_hash if user else None)
    if user is None or not is_right or not user.is_active:
        raise Refusal.invalid_credentials()
    if passwords.is_outdated(user.password_hash):
        better = await passwords.hash(password)
        await storage.run(lambda: _replace_hash(user, password_hash=better))
    return user


def change_password(user: User, password_hash: str) -> User:
    """Gives a user who has just proved the old password a new one; ends every session.

    Args:
        user: as it was when the old password was proved.
        password_hash: of the new one.

    Raises:
        ApiError: 409, the password was changed in the meantime.
    """
    with transaction():
        changed = _replace_hash(
            user, password_hash=password_hash, session_version=User.session_version + 1
        )
        if not changed:
            raise Refusal.password_changed()
        return find_user(user.id)


def set_password(user_id: int, password_hash: str) -> User:
    """Gives a user a new password, whatever the old one was; ends every session.

    Raises:
        ApiError: 404, there is no such user.
    """
    return update(user_id, password_hash=password_hash, session_version=User.session_version + 1)


def end_sessions(user_id: int) -> User:
    """Ends every session of a user.

    Raises:
        ApiError: 404, there is no such user.
    """
    return update(user_id, session_version=User.session_version + 1)


def _replace_hash(user: User, **columns: Any) -> bool:
    """Writes columns unless the password was changed since the row was read."""
    unchanged = (User.id == user.id) & (User.password_hash == user.password_hash)
    return bool(User.update(updated_at=now(), **columns).where(unchanged).execute())
