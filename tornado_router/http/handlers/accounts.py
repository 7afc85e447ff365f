"""`/auth/*`: registration, sessions, and one's own account."""

from __future__ import annotations

from msgspec import UNSET

from tornado_router.accounts.throttle import network_of
from tornado_router.http.handlers.management import ManagementHandler
from tornado_router.http.objects.accounts import (
    Credentials,
    Nothing,
    PasswordChange,
    PasswordProof,
    Profile,
    Registration,
    Session,
)
from tornado_router.storage.tables import User


class AccountHandler(ManagementHandler):
    """A request about an account."""

    async def prepare(self) -> None:
        """Authenticates, and refuses what no endpoint here takes.

        Raises:
            ApiError: 401; 400 for a query.
        """
        await super().prepare()
        self.query()

    @property
    def network(self) -> str:
        """Where the client is: its address, or what an IPv6 customer has of them."""
        return network_of(self.client_address)

    def write_session(self, user: User) -> None:
        """Responds with a new session."""
        session = self.services.accounts.sessions.begin(user)
        self.write_json(
            Session(user=self.user_object(user), token=session.token, expires_at=session.expires_at)
        )


class RegisterHandler(AccountHandler):
    """`POST /auth/register`."""

    open = True

    async def post(self) -> None:
        """Creates an account and a session.

        Raises:
            ApiError: 400, a value cannot be used; 403, not this way; 409, there is one; 429; 503.
        """
        await self.accounts.arrive(self.network)
        body = self.read(Registration)
        user = await self.accounts.register(
            body.email, body.password, name=body.name or "", invite=body.invite
        )
        self.set_status(201)
        self.write_session(user)


class SignInHandler(AccountHandler):
    """`POST /auth/login`."""

    open = True

    async def post(self) -> None:
        """Begins a session for the right password.

        Raises:
            ApiError: 400; 401, the password or the account is wrong; 429; 503.
        """
        await self.accounts.arrive(self.network)
        body = self.read(Credentials)
        self.write_session(await self.accounts.sign_in(body.email, body.password, self.network))


class SignOutHandler(AccountHandler):
    """`POST /auth/logout`."""

    async def post(self) -> None:
        """Ends every session of the account."""
        if self.request.body:
            self.read(Nothing)
        await self.accounts.sign_out(self.user)
        self.set_status(204)


class PasswordHandler(AccountHandler):
    """`POST /auth/password`."""

    async def post(self) -> None:
        """Changes the password, ends every session, and begins a new one.

        Raises:
            ApiError: 400, the old one is wrong or the new one cannot be used; 429; 503.
        """
        body = self.read(PasswordChange)
        current, new = body.current_password, body.new_password
        self.write_session(
            await self.accounts.change_password(self.user, current, new, self.network)
        )


class ProfileHandler(AccountHandler):
    """`/auth/profile`."""

    async def get(self) -> None:
        """Describes the account."""
        self._write(self.user)

    async def patch(self) -> None:
        """Changes what its owner may change.

        Raises:
            ApiError: 400.
        """
        body = self.read(Profile)
        if body.name is not UNSET:
            self.user = await self.accounts.rename(self.user, body.name)
        self._write(self.user)

    async def delete(self) -> None:
        """Deletes the account and its keys.

        Raises:
            ApiError: 400, the password is wrong; 409, it is the last administrator; 429; 503.
        """
        body = self.read(PasswordProof)
        await self.accounts.delete_own(self.user, body.password, self.network)
        self.set_status(204)

    def _write(self, user: User) -> None:
        self.write_json(self.user_object(user))
