"""Accounts: who they are, how they log in, and how they come and go.

The functions block and ask the database that is open; what a client has to be told they raise as
`ApiError`. The HTTP endpoints and the command line stand on the same ones. Each change is one
transaction, and after it the endpoints publish it (see `changes`).
"""

from __future__ import annotations

import datetime
import hashlib
import re
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import AbstractContextManager
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from loguru import logger
from peewee import IntegrityError

from tornado_router.accounts.passwords import UNUSABLE, Passwords
from tornado_router.accounts.plans import UNLIMITED, Plans
from tornado_router.config.options import MAX_DOLLARS, AuthOptions
from tornado_router.config.reader import Config
from tornado_router.errors import ApiError, Fault, invalid_request, unauthorized
from tornado_router.storage.tables import (
    ApiKey,
    CreditEntry,
    Invite,
    RequestLog,
    Storage,
    User,
    now,
)
from tornado_router.validation.engine import RustEngine

UNUSABLE_PASSWORD = UNUSABLE
ADMIN_EMAIL = "admin@localhost"

MAX_EMAIL = 254
"""https://www.rfc-editor.org/errata/eid1690."""

MAX_NAME = 100
MAX_REASON = 500
MAX_ID = 2**31 - 1
"""Of a row: larger numbers do not fit into the column on every database."""

INVITE_SECONDS = 7 * 24 * 3600
INVITE_BOUNDS = (60, 365 * 24 * 3600)
"""Seconds that an invite may be good for."""

EntryKind = Literal["plan", "top_up", "adjust"]

_LETTER = r"\p{L}\p{M}\p{N}"
_EMAIL = RustEngine(
    {
        "type": "string",
        "maxLength": MAX_EMAIL,
        # No quotes, no comments, no addresses of machines: nobody's mailbox is called that.
        "pattern": rf"^[{_LETTER}!#$%&'*+/=?^_`{{|}}~.-]+"
        rf"@[{_LETTER}](?:[{_LETTER}.-]*[{_LETTER}])?$",
    }
)
_DOLLARS = re.compile(r"[+-]?[0-9]{1,10}(\.[0-9]{1,9})?")
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that show a text in another order than it has."""


def check_registration(config: Config) -> Iterator[Fault]:
    """Whether anybody could make an account that nothing limits."""
    plan = config.auth.default_plan
    if config.auth.registration == "open" and plan != UNLIMITED and plan not in config.plans:
        yield Fault(
            "auth.default_plan",
            f"there is no [plans.{plan}], so anybody could make an account without limits; "
            f"add it, or say '{UNLIMITED}' if that is meant",
        )


# What people write


def clean_email(text: str, param: str = "email") -> str:
    """An e-mail address as the table has it: one way to write it for each mailbox.

    Raises:
        ApiError: 400, it is none.
    """
    if len(text) <= MAX_EMAIL:
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).lower())
        if _is_text(text) and _EMAIL.is_valid(text):
            return text
    raise invalid_request(f"'{param}' is not an e-mail address.", param, "invalid_value")


def clean_text(text: str, param: str, most: int = MAX_NAME) -> str:
    """A name or a reason, which stands in one line of a list, a log or a terminal.

    Raises:
        ApiError: 400, it is too long, or holds what is no text.
    """
    if len(text) > most:
        raise invalid_request(
            f"'{param}' is longer than {most} characters.", param, "string_above_max_length"
        )
    text = unicodedata.normalize("NFC", text.strip())
    if not _is_text(text):
        raise invalid_request(
            f"'{param}' holds characters that are not for display, such as line breaks.",
            param,
            "invalid_value",
        )
    return text


def parse_dollars(value: str | float | Decimal, param: str = "amount") -> Decimal:
    """An amount of US dollars, exactly.

    Raises:
        ApiError: 400, it is none, is too large, or has more than nine decimals.
    """
    try:
        text = value if isinstance(value, str) else f"{Decimal(str(value)):f}"
    except InvalidOperation:
        text = ""
    if not _DOLLARS.fullmatch(text):
        raise invalid_request(
            f"'{param}' must be an amount such as \"12.5\", with at most nine decimals.",
            param,
            "invalid_value",
        )
    amount = Decimal(text)
    if abs(amount) > MAX_DOLLARS:
        raise invalid_request(
            f"'{param}' must be at most {MAX_DOLLARS} US dollars.", param, "invalid_value"
        )
    return amount


# Making and finding


def create_administrator() -> User | None:
    """Makes an administrator if there are no users at all, and returns it. Blocks.

    Of several processes that start on one new database, one makes it.
    """
    with transaction():
        if User.select().exists():
            return None
        return User.create(
            email=ADMIN_EMAIL,
            name="admin",
            password_hash=UNUSABLE_PASSWORD,
            plan=UNLIMITED,
            is_admin=True,
        )


def create_user(
    plans: Plans,
    email: str,
    *,
    actor: str,
    password_hash: str = UNUSABLE_PASSWORD,
    name: str = "",
    plan: str | None = None,
    is_admin: bool = False,
) -> User:
    """Makes an account, with the credits that its plan starts with.

    Args:
        plans: of the deployment.
        email: as it was typed.
        actor: who makes it: an administrator's e-mail address, `cli` or `registration`.
        password_hash: see `passwords`; without it nobody can log in yet.
        name: as it was typed.
        plan: its name; None for that of new accounts, and for administrators `unlimited`.
        is_admin: whether it may do everything.

    Raises:
        ApiError: 400, a value cannot be used; 409, the address has an account.
    """
    email, name = clean_email(email), clean_text(name, "name")
    if plan is None:
        plan = UNLIMITED if is_admin else plans.default
    _check_plan(plans, plan)
    with transaction():
        try:
            user = User.create(
                email=email, name=name, password_hash=password_hash, plan=plan, is_admin=is_admin
            )
        except IntegrityError:
            raise email_taken() from None
        first = plans.first_credits(plan)
        if first:
            _book(user.id, first, "plan", f"the plan {plan}", actor)
        return User.get_by_id(user.id)


def register(
    options: AuthOptions,
    plans: Plans,
    email: str,
    password_hash: str,
    *,
    name: str = "",
    invite: str | None = None,
) -> User:
    """Makes an account for somebody who asks for one.

    Args:
        options: whether anybody may.
        plans: of the deployment.
        email: as it was typed.
        password_hash: see `passwords`.
        name: as it was typed.
        invite: the code of an invite.

    Raises:
        ApiError: 403, not this way; otherwise as `create_user`.
    """
    email = clean_email(email)
    check_registration_open(options, plans, email, invite)
    with transaction():
        used = _use_invite(invite, email) if invite else None
        user = create_user(
            plans,
            email,
            actor="registration",
            password_hash=password_hash,
            name=name,
            plan=used.plan if used else None,
        )
        if used:
            Invite.update(used_by=user).where(Invite.id == used.id).execute()
        return user


def check_registration_open(
    options: AuthOptions, plans: Plans, email: str, invite: str | None
) -> None:
    """Refuses what `register` would refuse, before a password is hashed for it.

    Raises:
        ApiError: 403, nobody may register, or only with another invite; 409, the address has an
            account.
    """
    if options.registration == "closed":
        raise ApiError(
            403,
            "Nobody can register here. Ask the router's administrator for an account.",
            code="registration_closed",
        )
    if options.registration == "invite" and not invite:
        raise ApiError(
            403,
            "An invite is needed to register. Ask the router's administrator for one.",
            param="invite",
            code="invite_required",
        )
    if invite:
        _check_invite(plans, invite, email)
    # Keys are made for the administrator of the first start unless somebody else is named.
    if email == ADMIN_EMAIL or User.select().where(User.email == email).exists():
        raise email_taken()


def find_user(user_id: int) -> User:
    """The user with an id.

    Raises:
        ApiError: 404, there is none.
    """
    user = None
    if user_id <= MAX_ID:
        user = User.get_or_none(User.id == user_id, User.deleted_at.is_null())
    if user is None:
        raise _no_user(user_id)
    return user


def find_by_email(email: str) -> User | None:
    """The user with an e-mail address, as it was typed; None if there is none."""
    try:
        email = clean_email(email)
    except ApiError:
        return None
    return User.get_or_none(User.email == email, User.deleted_at.is_null())


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
    part = _unicode(search.strip())
    if len(part) > MAX_EMAIL:
        return []  # so long is no address and no name; SQLite refuses a pattern of 50,000
    if part:
        query = query.where(User.email.contains(part.lower()) | User.name.contains(part))
    if plan is not None:
        query = query.where(User.plan == plan)
    if after is not None:
        query = query.where(User.id > after)
    return list(query.order_by(User.id).limit(limit + 1))


# Logging in


async def authenticate(storage: Storage, passwords: Passwords, email: str, password: str) -> User:
    """The user whose e-mail address and password they are.

    It is the same work whether or not there is such an account, so the time does not tell.

    Raises:
        ApiError: 401, whatever is wrong; 503, too many log in at once.
    """
    user = await storage.run(lambda: find_by_email(email))
    is_right = await passwords.verify(password, user.password_hash if user else None)
    if user is None or not is_right or not user.is_active:
        raise unauthorized(
            "The e-mail address or the password is not right.", "invalid_credentials"
        )
    if passwords.is_outdated(user.password_hash):
        better = await passwords.hash(password)
        await storage.run(lambda: _replace_hash(user, password_hash=better))
    return user


def change_password(user: User, password_hash: str) -> User:
    """Gives a user who has just proved the old password a new one; ends every log-in.

    Args:
        user: as it was when the old password was proved.
        password_hash: of the new one.

    Raises:
        ApiError: 409, the password was changed meanwhile.
    """
    with transaction():
        changed = _replace_hash(
            user, password_hash=password_hash, session_version=User.session_version + 1
        )
        if not changed:
            raise ApiError(
                409, "The password was changed meanwhile. Log in again.", code="password_changed"
            )
        return find_user(user.id)


def set_password(user_id: int, password_hash: str) -> User:
    """Gives a user a new password, whatever the old one was; ends every log-in.

    Raises:
        ApiError: 404, there is no such user.
    """
    return _change(user_id, password_hash=password_hash, session_version=User.session_version + 1)


def log_out_everywhere(user_id: int) -> User:
    """Ends every log-in of a user.

    Raises:
        ApiError: 404, there is no such user.
    """
    return _change(user_id, session_version=User.session_version + 1)


# Changing and deleting


def rename(user_id: int, name: str) -> User:
    """Gives a user another name.

    Raises:
        ApiError: 400, it cannot be used; 404, there is no such user.
    """
    return _change(user_id, name=clean_text(name, "name"))


def set_user(
    plans: Plans,
    user_id: int,
    *,
    name: str | None = None,
    plan: str | None = None,
    is_admin: bool | None = None,
    is_active: bool | None = None,
) -> User:
    """Changes what an administrator may change of a user; None leaves it as it is.

    Another plan does not touch the credits. Who is no longer active is logged out.

    Raises:
        ApiError: 400, a value cannot be used; 404, there is no such user; 409, it is the last
            administrator.
    """
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = clean_text(name, "name")
    if plan is not None:
        _check_plan(plans, plan)
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
        return _change(user_id, **changes)


def delete_account(user_id: int) -> None:
    """Forgets who a user was, and revokes their keys; their usage stays under the id.

    Raises:
        ApiError: 404, there is no such user; 409, it is the last administrator.
    """
    with transaction():
        _check_not_last_administrator(user_id)
        moment = now()
        _forget_name(find_user(user_id))
        _change(
            user_id,
            email=f"deleted:{user_id}",
            name="",
            password_hash=UNUSABLE_PASSWORD,
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


def _forget_name(user: User) -> None:
    """Leaves the number where the address of somebody who leaves was written down."""
    nameless = f"user:{user.id}"
    CreditEntry.update(actor=nameless).where(CreditEntry.actor == user.email).execute()
    Invite.update(created_by=nameless).where(Invite.created_by == user.email).execute()
    Invite.update(email=None).where(
        (Invite.used_by == user.id) | ((Invite.email == user.email) & Invite.used_at.is_null(False))
    ).execute()


# Credits


def grant(user_id: int, amount: Decimal, kind: EntryKind, reason: str, actor: str) -> CreditEntry:
    """Changes a user's credits, and writes down who did it and why.

    Args:
        user_id: whose.
        amount: US dollars; below 0 to take some away.
        kind: `top_up` puts in; `adjust` may do either.
        reason: as it was typed.
        actor: who does it: an administrator's e-mail address, or `cli`.

    Returns:
        The entry, with the credits behind it as its `balance`.

    Raises:
        ApiError: 400, an amount or reason that cannot be used; 404, there is no such user; 409,
            it would leave less than nothing, or more than can be counted.
    """
    amount = parse_dollars(amount)
    if kind == "top_up" and amount <= 0:
        raise invalid_request("A top-up must be more than 0.", "amount", "invalid_value")
    if not amount:
        raise invalid_request("'amount' must not be 0.", "amount", "invalid_value")
    reason = clean_text(reason, "reason", MAX_REASON)
    if not reason:
        raise invalid_request("'reason' must not be empty.", "reason", "empty_string")
    with transaction():
        find_user(user_id)
        return _book(user_id, amount, kind, reason, actor)


def list_entries(user_id: int, limit: int = 20, after: int | None = None) -> list[CreditEntry]:
    """The changes of a user's credits, newest first, and one more than `limit` if there are more.

    Raises:
        ApiError: 404, there is no such user.
    """
    find_user(user_id)
    query = CreditEntry.select().where(CreditEntry.user == user_id)
    if after is not None:
        query = query.where(CreditEntry.id < after)
    return list(query.order_by(CreditEntry.id.desc()).limit(limit + 1))


# Invites


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
        _check_plan(plans, plan)
    code = secrets.token_urlsafe(24)
    invite = Invite.create(
        code_hash=_digest(code),
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
    """Deletes an invite that nobody has used.

    Raises:
        ApiError: 404, there is none.
    """
    unused = (Invite.id == min(invite_id, MAX_ID)) & Invite.used_at.is_null()
    if not Invite.delete().where(unused).execute():
        raise ApiError(404, f"No such unused invite: {invite_id}.", code="invite_not_found")


# Errors


def email_taken() -> ApiError:
    """The refusal of a second account for one address."""
    return ApiError(
        409, "This e-mail address has an account already.", param="email", code="email_taken"
    )


def _no_user(user_id: int) -> ApiError:
    return ApiError(404, f"No such user: {user_id}.", code="user_not_found")


def _invalid_invite() -> ApiError:
    return ApiError(
        403,
        "This invite is not good, or not any more, or it is for another e-mail address.",
        param="invite",
        code="invalid_invite",
    )


# Helpers


def transaction() -> AbstractContextManager[Any]:
    """Takes the write lock first, so that what is read is still true when it is written.

    Inside of another it is a part of that one.
    """
    writing: AbstractContextManager[Any] = User._meta.database.writing()
    return writing


def _change(user_id: int, **columns: Any) -> User:
    """Writes columns of a user who is there, and returns the row.

    Raises:
        ApiError: 404.
    """
    with transaction():
        find_user(user_id)
        User.update(updated_at=now(), **columns).where(User.id == user_id).execute()
        return User.get_by_id(user_id)


def _replace_hash(user: User, **columns: Any) -> bool:
    """Writes columns unless the password was changed since the row was read."""
    unchanged = (User.id == user.id) & (User.password_hash == user.password_hash)
    return bool(User.update(updated_at=now(), **columns).where(unchanged).execute())


def _book(user_id: int, amount: Decimal, kind: str, reason: str, actor: str) -> CreditEntry:
    """Changes the credits by one statement, so that calls may be charged meanwhile."""
    has_room = (User.credits >= -amount) & (User.credits <= MAX_DOLLARS - amount)
    changed = (
        User.update(credits=User.credits + amount).where(User.id == user_id, has_room).execute()
    )
    balance = User.get_by_id(user_id).credits
    if not changed:
        raise _beyond_bounds(balance, amount)
    return CreditEntry.create(
        user=user_id, amount=amount, balance=balance, kind=kind, reason=reason, actor=actor
    )


def _beyond_bounds(balance: Decimal, amount: Decimal) -> ApiError:
    if amount < 0:
        return ApiError(
            409,
            f"The account has {balance.normalize():f} US dollars; no more can be taken away.",
            param="amount",
            code="credits_below_zero",
        )
    return ApiError(
        409,
        f"An account can hold at most {MAX_DOLLARS} US dollars.",
        param="amount",
        code="credits_above_max",
    )


def _check_plan(plans: Plans, plan: str) -> None:
    if plans.get(plan) is None:
        names = ", ".join(sorted(plans.all()))
        raise invalid_request(f"There is no such plan. There are: {names}.", "plan", "unknown_plan")


def _check_not_last_administrator(user_id: int) -> None:
    user = find_user(user_id)
    others = User.select().where(
        User.is_admin,
        User.is_active,
        User.id != user_id,
        User.password_hash != UNUSABLE_PASSWORD,  # nobody can log in as who was made at the start
    )
    if user.is_admin and user.is_active and not others.exists():
        raise ApiError(
            409,
            "This is the last administrator who is active. Make somebody else one first.",
            code="last_admin",
        )


def _is_good_invite(code: str, email: str) -> Any:
    return (
        (Invite.code_hash == _digest(code))
        & Invite.used_at.is_null()
        & (Invite.expires_at > now())
        & (Invite.email.is_null() | (Invite.email == email))
    )


def _check_invite(plans: Plans, code: str, email: str) -> None:
    invite = Invite.get_or_none(_is_good_invite(code, email))
    if invite is None:
        raise _invalid_invite()
    if invite.plan is not None and plans.get(invite.plan) is None:
        logger.error("the invite {} is for the plan '{}', which is gone", invite.id, invite.plan)
        raise _invalid_invite()


def _use_invite(code: str, email: str) -> Invite:
    """Uses an invite up, unless somebody else was quicker."""
    if not Invite.update(used_at=now()).where(_is_good_invite(code, email)).execute():
        raise _invalid_invite()
    return Invite.get(Invite.code_hash == _digest(code))


def _unicode(text: str) -> str:
    """Without half characters, which a terminal may hand on and a database does not take."""
    return text.encode("utf-8", "replace").decode()


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def _is_text(text: str) -> bool:
    """Whether every character is there to be seen, in its place."""
    return not any(
        character in _REORDERING or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        for character in text
    )
