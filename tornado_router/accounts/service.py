"""What is done with accounts and API keys: the one door for HTTP and for the command line.

Each method does the whole of one deed: it checks what was given, counts tries, reserves credits,
changes the database, and publishes whose keys have to be looked up anew. Reading needs none of
that, so readers call the modules of this package. All methods raise `ApiError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from tornado_router.accounts import credits, keys, registration, sign_in, users
from tornado_router.accounts.actor import Actor
from tornado_router.accounts.batch_holds import held_of_user
from tornado_router.accounts.invalidation import Publisher
from tornado_router.accounts.passwords import Passwords, check_password
from tornado_router.accounts.plans import Plans
from tornado_router.accounts.text import clean_email, clean_text, known_email, parse_dollars
from tornado_router.accounts.throttle import Throttle
from tornado_router.config.options import AuthOptions
from tornado_router.endpoints import PERMISSIONS
from tornado_router.error_codes import Refusal
from tornado_router.limits.limiter import Limiter
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import ApiKey, CreditEntry, User

T = TypeVar("T")


class Accounts:
    """Does deeds with accounts and API keys.

    Args:
        storage: the open database.
        passwords: hashes and checks them.
        limiter: counts tries, and knows which credits calls in progress hold.
        publisher: announces every change of a user or a key.
        options: `[auth]`.
        plans: of the deployment.
    """

    def __init__(
        self,
        storage: Storage,
        passwords: Passwords,
        limiter: Limiter,
        publisher: Publisher,
        *,
        options: AuthOptions,
        plans: Plans,
    ) -> None:
        self._storage = storage
        self._passwords = passwords
        self._limiter = limiter
        self._publisher = publisher
        self._options = options
        self._plans = plans
        self._throttle = Throttle(limiter, options)

    # One's own account

    async def arrive(self, network: str) -> None:
        """Counts a try to register or to sign in, before what was sent is read.

        Args:
            network: where the client is; see `throttle.network_of`.
        """
        await self._throttle.arrival(network)

    async def register(
        self, email: str, password: str, *, name: str = "", invite: str | None = None
    ) -> User:
        """Creates an account for a person who registers, and has arrived.

        Args:
            email: as it was typed.
            password: the same.
            name: as it was typed.
            invite: the code of an invite.
        """
        email, name = clean_email(email), clean_text(name, "name")
        options, plans = self._options, self._plans
        await self._run(lambda: registration.check_open(options, plans, email, invite))
        password_hash = await self._hash(password, email, "password")
        return await self._run(
            lambda: registration.register(
                options, plans, email, password_hash, name=name, invite=invite
            )
        )

    async def sign_in(self, email: str, password: str, network: str) -> User:
        """The user whose e-mail address and password they are, and who has arrived."""
        email = known_email(email)
        await self._throttle.sign_in(network, email)
        return await sign_in.authenticate(self._storage, self._passwords, email, password)

    async def sign_out(self, user: User) -> None:
        """Ends every session of a user."""
        await self._run(lambda: sign_in.end_sessions(user.id))

    async def change_password(self, user: User, current: str, new: str, network: str) -> User:
        """Changes a signed-in user's password; ends every session."""
        self._check(new, user.email, "new_password")
        await self._prove(user, current, "current_password", network)
        password_hash = await self._passwords.hash(new)
        return await self._run(lambda: sign_in.change_password(user, password_hash))

    async def rename(self, user: User, name: str) -> User:
        """Gives a user another name."""
        return await self._run(lambda: users.rename(user.id, name))

    async def delete_own(self, user: User, password: str, network: str) -> None:
        """Deletes a signed-in user's account, and the keys."""
        await self._prove(user, password, "password", network)
        await self.delete_user(user.id)

    # The accounts of others

    async def create_user(
        self, actor: Actor, email: str, *, password: str | None = None, **fields: Any
    ) -> User:
        """Creates an account for another user.

        Args:
            actor: who does it.
            email: as it was typed.
            password: the same; without it, the user cannot sign in until one is set.
            fields: `name`, `plan` and `is_admin` of `registration.create_user`.
        """
        email = clean_email(email)
        if password is not None:
            fields["password_hash"] = await self._hash(password, email, "password")
        return await self._run(
            lambda: registration.create_user(self._plans, email, actor=actor.name, **fields)
        )

    async def change_user(self, user_id: int, **fields: Any) -> User:
        """Changes the fields of `users.change_user` that are given."""
        user = await self._run(lambda: users.change_user(self._plans, user_id, **fields))
        await self._publisher.publish(user_id)
        return user

    async def set_password(self, user_id: int, password: str) -> None:
        """Gives a user another password, and ends every session."""
        user = await self._run(lambda: users.find_user(user_id))
        password_hash = await self._hash(password, user.email, "new_password")
        await self._run(lambda: sign_in.set_password(user_id, password_hash))

    async def delete_user(self, user_id: int) -> None:
        """Deletes a user and their keys; their usage stays under the id."""
        await self._run(lambda: users.delete_user(user_id))
        await self._publisher.publish(user_id)

    async def change_credits(
        self,
        actor: Actor,
        user_id: int,
        amount: str | float | Decimal,
        kind: credits.EntryKind,
        reason: str,
    ) -> tuple[CreditEntry, User]:
        """Changes a user's credits; what is taken away is not what calls in progress hold.

        Args:
            actor: who does it.
            user_id: whose.
            amount: US dollars; below 0 to take some away.
            kind: `top_up` or `adjust`.
            reason: as it was typed.

        Returns:
            The entry, and the user behind it.
        """
        dollars = parse_dollars(amount)
        user, in_batches = await self._run(
            lambda: (users.find_user(user_id), held_of_user(user_id))
        )

        def change() -> tuple[CreditEntry, User]:
            entry = credits.change(user_id, dollars, kind, reason, actor.name)
            return entry, users.find_user(user_id)

        async with credits.held(self._limiter, user, -dollars, in_batches):
            changed = await self._run(change)
            await self._publisher.publish(user_id)
        return changed

    # API keys

    async def create_key(
        self, actor: Actor, user_id: int, values: Mapping[str, Any]
    ) -> tuple[ApiKey, str]:
        """Creates an API key; see `keys.create`."""
        _check_recording(actor, values)
        return await self._run(lambda: keys.create(user_id, values, PERMISSIONS))

    async def change_key(self, actor: Actor, key_id: int, values: Mapping[str, Any]) -> ApiKey:
        """Changes an API key; see `keys.change`."""
        _check_recording(actor, values)
        return await self._publish(
            await self._run(lambda: keys.change(key_id, values, PERMISSIONS, actor.owner))
        )

    async def rotate_key(
        self, actor: Actor, key_id: int, grace_seconds: int = 0
    ) -> tuple[ApiKey, str]:
        """Gives an API key another secret; see `keys.rotate`."""
        row, key = await self._run(lambda: keys.rotate(key_id, grace_seconds, actor.owner))
        return await self._publish(row), key

    async def revoke_key(self, actor: Actor, key_id: int) -> ApiKey:
        """Ends an API key for good."""
        return await self._publish(await self._run(lambda: keys.revoke(key_id, actor.owner)))

    async def _publish(self, row: ApiKey) -> ApiKey:
        await self._publisher.publish(row.user.id)
        return row

    async def _prove(self, user: User, password: str, param: str, network: str) -> None:
        """Has a signed-in user confirm the password."""
        await self._throttle.proof(network, user.id)
        if not await self._passwords.verify(password, user.password_hash):
            # No 401: that would mean that the session has expired.
            raise Refusal.wrong_password(param=param)

    async def _hash(self, password: str, email: str, param: str) -> str:
        self._check(password, email, param)
        return await self._passwords.hash(password)

    def _check(self, password: str, email: str, param: str) -> None:
        shortest = self._options.password_min_length
        check_password(password, min_length=shortest, email=email, param=param)

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._storage.run(work)


def _check_recording(actor: Actor, values: Mapping[str, Any]) -> None:
    """Lets administrators alone say whether requests and responses are kept."""
    if "log_requests" in values and actor.owner is not None:
        raise Refusal.admin_required(do="set 'log_requests'", param="log_requests")
