"""`/auth/*`: registering, logging in, and what people do with their own account."""

from __future__ import annotations

import hashlib
import ipaddress

from tornado_router.accounts import registration, sign_in, users
from tornado_router.accounts.passwords import check_password
from tornado_router.accounts.text import clean_email, clean_text
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError
from tornado_router.http.handlers.management import ManagementHandler, body_schema, user_body
from tornado_router.limits.holders import HolderKind
from tornado_router.limits.limiter import Demand, LimiterAwayError, LimitReachedError, Rates
from tornado_router.limits.retry_after import duration, retry_headers
from tornado_router.storage.tables import User

_TEXT = {"type": "string"}
_OPTIONAL_TEXT = {"type": ["string", "null"]}

REGISTRATION = body_schema(
    {"email": _TEXT, "password": _TEXT, "name": _OPTIONAL_TEXT, "invite": _OPTIONAL_TEXT},
    required=("email", "password"),
)
LOG_IN = body_schema({"email": _TEXT, "password": _TEXT}, required=("email", "password"))
PROFILE = body_schema({"name": _TEXT})
FAREWELL = body_schema({"password": _TEXT}, required=("password",))
NEW_PASSWORD = body_schema(
    {"current_password": _TEXT, "new_password": _TEXT},
    required=("current_password", "new_password"),
)
NOTHING = body_schema({})

ADDRESSES_AT_ONCE = 10
"""One account may be tried from so many addresses as often as from each of them."""


class AccountHandler(ManagementHandler):
    """A request about an account."""

    async def prepare(self) -> None:
        """Finds out who is asking, and refuses what no endpoint here takes.

        Raises:
            ApiError: 401; 400 for a query.
        """
        await super().prepare()
        self.query()

    @property
    def network(self) -> str:
        """Where the client is: its address, or what an IPv6 customer has of them."""
        return _network(self.client_address)

    async def throttle(self, *holders: tuple[str, int]) -> None:
        """Counts one try to log in or to register, before it costs any work.

        Args:
            holders: what it counts for beside the client's address, each with the most in a
                minute.

        Raises:
            ApiError: 429, there were too many; 503, nobody knows.
        """
        options = self.services.serving.config.auth
        network = (HolderKind.NETWORK.id(self.network), options.attempts_per_address)
        rates = tuple(Rates(holder, requests=most) for holder, most in (network, *holders))
        try:
            lease = await self.services.accounts.limiter.admit(Demand(self.own_id, rates))
        except LimitReachedError as refusal:
            raise _too_often(refusal) from None
        except LimiterAwayError:
            raise Refusal.limits_unavailable() from None
        self.services.accounts.limiter.settle(lease, 0, 0)

    def check_new_password(self, password: str, email: str, param: str) -> None:
        """Lets a password pass that somebody chose.

        Raises:
            ApiError: 400.
        """
        shortest = self.services.serving.config.auth.password_min_length
        check_password(password, min_length=shortest, email=email, param=param)

    async def prove(self, password: str, param: str) -> None:
        """Has whoever is logged in show the password once more.

        Raises:
            ApiError: 400, it is wrong; 429, it was tried too often; 503.
        """
        most = self.services.serving.config.auth.attempts_per_account
        await self.throttle((HolderKind.PROOF.id(self.user.id), most))
        if not await self.services.accounts.passwords.verify(password, self.user.password_hash):
            # No 401: that would mean that the session has expired.
            raise Refusal.wrong_password(param=param)

    def write_session(self, user: User) -> None:
        """Answers with a new log-in."""
        session = self.services.accounts.sessions.begin(user)
        self.write_json(
            {
                "user": user_body(user, self.services.serving.plans),
                "token": session.token,
                "token_type": "Bearer",
                "expires_at": session.expires_at,
            }
        )


class RegisterHandler(AccountHandler):
    """`POST /auth/register`."""

    open = True

    async def post(self) -> None:
        """Makes an account, and logs in.

        Raises:
            ApiError: 400, a value cannot be used; 403, not this way; 409, there is one; 429; 503.
        """
        body = self.read_body(REGISTRATION)
        options, plans = self.services.serving.config.auth, self.services.serving.plans
        email = clean_email(body["email"])
        name = clean_text(body.get("name") or "", "name")
        password, invite = body["password"], body.get("invite")
        await self.throttle()
        await self.run(lambda: registration.check_registration_open(options, plans, email, invite))
        self.check_new_password(password, email, "password")
        password_hash = await self.services.accounts.passwords.hash(password)
        user = await self.run(
            lambda: registration.register(
                options, plans, email, password_hash, name=name, invite=invite
            )
        )
        self.set_status(201)
        self.write_session(user)


class LogInHandler(AccountHandler):
    """`POST /auth/login`."""

    open = True

    async def post(self) -> None:
        """Gives a token to who knows the password.

        Raises:
            ApiError: 400; 401, the password or the account is not right; 429; 503.
        """
        body = self.read_body(LOG_IN)
        email = clean_email(body["email"])
        account = HolderKind.SIGN_IN.id(hashlib.sha256(email.encode()).hexdigest()[:32])
        most = self.services.serving.config.auth.attempts_per_account
        # By address, so that nobody locks others out; and in all, so that many addresses guess no
        # password either.
        await self.throttle(
            (f"{account}:{self.network}", most), (account, most * ADDRESSES_AT_ONCE)
        )
        services = self.services
        user = await sign_in.authenticate(
            services.accounts.storage, services.accounts.passwords, email, body["password"]
        )
        self.write_session(user)


class LogOutHandler(AccountHandler):
    """`POST /auth/logout`."""

    async def post(self) -> None:
        """Ends every log-in of the account."""
        if self.request.body:
            self.read_body(NOTHING)
        await self.run(lambda: sign_in.log_out_everywhere(self.user.id))
        self.set_status(204)


class PasswordHandler(AccountHandler):
    """`POST /auth/password`."""

    async def post(self) -> None:
        """Changes the password, ends every log-in, and gives a new one.

        Raises:
            ApiError: 400, the old one is wrong or the new one cannot be used; 429; 503.
        """
        body = self.read_body(NEW_PASSWORD)
        new = body["new_password"]
        self.check_new_password(new, self.user.email, "new_password")
        await self.prove(body["current_password"], "current_password")
        password_hash = await self.services.accounts.passwords.hash(new)
        self.write_session(
            await self.run(lambda: sign_in.change_password(self.user, password_hash))
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
        body = self.read_body(PROFILE)
        if "name" in body:
            self.user = await self.run(lambda: users.rename(self.user.id, body["name"]))
        self._write(self.user)

    async def delete(self) -> None:
        """Deletes the account and its keys.

        Raises:
            ApiError: 400, the password is wrong; 409, it is the last administrator; 429; 503.
        """
        body = self.read_body(FAREWELL)
        await self.prove(body["password"], "password")
        await self.run(lambda: users.delete_user(self.user.id))
        await self.services.accounts.changes.publish(self.user.id)
        self.set_status(204)

    def _write(self, user: User) -> None:
        self.write_json(user_body(user, self.services.serving.plans))


def _network(address: str) -> str:
    """What one customer of a network has: an IPv4 address, or the whole /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # a Unix socket has none
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _too_often(refusal: LimitReachedError) -> ApiError:
    wait = refusal.retry_after or 1.0
    return Refusal.too_many_attempts(wait=duration(wait), headers=retry_headers(wait))
