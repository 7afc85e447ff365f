"""Creates accounts: for people who register, and by administrators.

The functions block and raise `ApiError`.
"""

from __future__ import annotations

from tornado_router.accounts import credits, invites
from tornado_router.accounts.passwords import UNUSABLE
from tornado_router.accounts.plans import UNLIMITED, Plans
from tornado_router.accounts.text import clean_email, clean_text
from tornado_router.config.options import AuthOptions
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError
from tornado_router.storage.sql import IntegrityError
from tornado_router.storage.storage import transaction
from tornado_router.storage.tables import Invite, User

ADMIN_EMAIL = "admin@localhost"


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
            password_hash=UNUSABLE,
            plan=UNLIMITED,
            is_admin=True,
        )


def create_user(
    plans: Plans,
    email: str,
    *,
    actor: str,
    password_hash: str = UNUSABLE,
    name: str = "",
    plan: str | None = None,
    is_admin: bool = False,
) -> User:
    """Makes an account, with the credits that its plan starts with.

    Args:
        plans: of the deployment.
        email: as it was typed.
        actor: who makes it: an administrator's e-mail address, `cli` or `registration`.
        password_hash: see `passwords`; without it, the user cannot log in yet.
        name: as it was typed.
        plan: its name; None for that of new accounts, and for administrators `unlimited`.
        is_admin: whether it may do everything.

    Raises:
        ApiError: 400, a value cannot be used; 409, the address has an account.
    """
    email, name = clean_email(email), clean_text(name, "name")
    if plan is None:
        plan = UNLIMITED if is_admin else plans.default
    plans.check(plan)
    with transaction():
        try:
            user = User.create(
                email=email, name=name, password_hash=password_hash, plan=plan, is_admin=is_admin
            )
        except IntegrityError:
            raise email_taken() from None
        first = plans.first_credits(plan)
        if first:
            credits.book(user.id, first, "plan", f"the plan {plan}", actor)
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
    """Creates an account for a person who registers.

    Args:
        options: whether registration is open.
        plans: of the deployment.
        email: as it was typed.
        password_hash: see `passwords`.
        name: as it was typed.
        invite: the code of an invite.

    Raises:
        ApiError: 403, not this way; otherwise as `create_user`.
    """
    email = clean_email(email)
    check_open(options, plans, email, invite)
    with transaction():
        used = invites.use_invite(invite, email) if invite else None
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


def check_open(options: AuthOptions, plans: Plans, email: str, invite: str | None) -> None:
    """Refuses what `register` would refuse, before a password is hashed for it.

    Raises:
        ApiError: 403, registration is closed, or needs another invite; 409, the address has an
            account.
    """
    if options.registration == "closed":
        raise Refusal.registration_closed()
    if options.registration == "invite" and not invite:
        raise Refusal.invite_required()
    if invite:
        invites.check_invite(plans, invite, email)
    # Keys are created for the administrator of the first start unless another user is named.
    if email == ADMIN_EMAIL or User.select().where(User.email == email).exists():
        raise email_taken()


def email_taken() -> ApiError:
    """The refusal of a second account for one address."""
    return Refusal.email_taken()
