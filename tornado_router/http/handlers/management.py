"""What the endpoints for accounts, keys and usage share: sessions, bodies, queries, lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from tornado_router.accounts.actor import Actor
from tornado_router.accounts.keys import KEY_PREFIX
from tornado_router.accounts.service import Accounts
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.objects import schema
from tornado_router.http.objects.accounts import User
from tornado_router.http.objects.base import RequestBody
from tornado_router.storage import tables

_PRIVATE = frozenset(("password", "current_password", "new_password", "invite"))
"""Fields that are not kept as they are sent, so a secret may be in them."""

B = TypeVar("B", bound=RequestBody)
T = TypeVar("T")

LARGEST_PAGE = 100
PAGE = 20


class ManagementHandler(BaseHandler):
    """A request of a person who is signed in.

    Attributes:
        user: the user.
    """

    user: tables.User

    def set_default_headers(self) -> None:
        """Headers of every response; no cache on the way may keep it."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    async def authenticate(self) -> None:
        """Takes the token of a session instead of an API key.

        Raises:
            ApiError: 401.
        """
        scheme, _, token = self.request.headers.get("Authorization", "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refusal.no_token()
        if token.startswith(KEY_PREFIX):
            # Else a key that leaked could make more keys.
            raise Refusal.token_required()
        user = await self.run(lambda: self.services.accounts.sessions.find_user(token))
        if user is None:
            raise Refusal.invalid_token()
        self.user = user
        self.user_id = user.id

    @property
    def accounts(self) -> Accounts:
        """What is done with accounts and keys."""
        return self.services.serving.accounts

    @property
    def actor(self) -> Actor:
        """The signed-in user: what they may see, and the name that changes are recorded under."""
        return Actor.of(self.user)

    async def run(self, work: Callable[[], T]) -> T:
        """Runs queries off the event loop."""
        return await self.services.accounts.storage.run(work)

    def read(self, kind: type[B]) -> B:
        """The JSON object that was sent.

        Args:
            kind: its class.

        Raises:
            ApiError: 400, with the field at fault; 415, the content type is another.
        """
        body = schema.read(kind, self.read_json())
        holds = self.services.secrets.holds
        for name in body.__struct_fields__:
            if name not in _PRIVATE and holds(str(getattr(body, name))):
                raise Invalid.invalid_value(f"'{name}' looks like a key or a token.", param=name)
        return body

    def user_object(self, user: tables.User) -> User:
        """A user as JSON has it."""
        return User.of(user, self.services.serving.plans)

    def query(self, *names: str) -> dict[str, str]:
        """The query parameters that were given, empty ones aside.

        Args:
            names: of those that there are.

        Raises:
            ApiError: 400 for one that there is not, or that is given twice.
        """
        given: dict[str, str] = {}
        for name in self.request.query_arguments:
            values = self.get_query_arguments(name)
            if name not in names:
                raise Invalid.unknown_parameter(param=name[:64])
            if len(values) > 1:
                raise Invalid.invalid_value(f"'{name}' is given more than once.", param=name)
            if values[0]:
                given[name] = values[0]
        return given

    def page(self, query: Mapping[str, str]) -> tuple[int, int | None]:
        """The `limit` and `after` of a list.

        Raises:
            ApiError: 400.
        """
        limit = integer(query, "limit", PAGE)
        assert limit is not None
        if not 1 <= limit <= LARGEST_PAGE:
            raise Invalid.invalid_value(
                f"'limit' must be between 1 and {LARGEST_PAGE}.", param="limit"
            )
        return limit, integer(query, "after", None)


class AdminHandler(ManagementHandler):
    """A request that only an administrator may make."""

    async def authenticate(self) -> None:
        """Takes the token of an administrator.

        Raises:
            ApiError: 401; 403, the user is not an administrator.
        """
        await super().authenticate()
        if not self.user.is_admin:
            raise Refusal.admin_required(do="do this")


def integer(query: Mapping[str, str], name: str, default: int | None) -> int | None:
    """A whole number of a query.

    Raises:
        ApiError: 400.
    """
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise Invalid.invalid_value(f"'{name}' must be a whole number.", param=name)
    return int(text)
