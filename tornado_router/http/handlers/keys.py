"""`/api-keys`: one's own API keys; an administrator's are everybody's."""

from __future__ import annotations

from typing import Any

from tornado_router.accounts import budgets, keys, users
from tornado_router.accounts.permissions import Permissions
from tornado_router.http.handlers.management import (
    ManagementHandler,
    body_schema,
    dollars,
    integer,
    seconds,
)
from tornado_router.storage.tables import ApiKey

_TEXT_LIST = {"type": ["array", "null"], "items": {"type": "string"}}
_LIMIT = {"type": ["integer", "null"]}
_FIELDS = {
    "name": {"type": "string"},
    "models": _TEXT_LIST,
    "endpoints": _TEXT_LIST,
    "expires_at": {"type": ["integer", "null"]},
    "rpm": _LIMIT,
    "tpm": _LIMIT,
    "max_in_flight": _LIMIT,
    "budget": {"type": ["number", "string", "null"]},
    "budget_period": {"type": "string"},
    "log_requests": {
        "type": ["boolean", "null"],
        "description": "Whether its requests and answers are kept; null leaves that to the route. "
        "For administrators.",
    },
}
NEW = body_schema(_FIELDS, required=["name"])
CHANGES = body_schema({**_FIELDS, "is_active": {"type": "boolean"}})
ROTATION = body_schema(
    {
        "grace_seconds": {
            "type": ["integer", "null"],
            "minimum": 0,
            "maximum": keys.MAX_GRACE_SECONDS,
        }
    }
)


class KeysHandler(ManagementHandler):
    """`/api-keys`."""

    async def get(self) -> None:
        """Lists keys.

        Raises:
            ApiError: 400, a query that cannot be used; 404, a user of somebody else's asking.
        """
        query = self.query("limit", "after", "user_id")
        limit, after = self.page(query)
        user_id = integer(query, "user_id", self.user.id)
        assert user_id is not None
        if user_id != self.user.id:
            await self.run(lambda: users.find_user(user_id, self.actor.owner))
        data = await self.run(
            lambda: [key_body(row) for row in keys.list_keys(user_id, limit, after)]
        )
        self.write_list(data, limit)

    async def post(self) -> None:
        """Makes a key, and shows it this once.

        Raises:
            ApiError: 400, a value cannot be used; 403, it is for administrators; 409, there are too
                many.
        """
        self.query()
        body = self.read_body(NEW)
        made = await self.accounts.create_key(self.actor, self.user.id, body)
        data = await self.run(lambda: _shown(made))
        self.set_status(201)
        self.write_json(data)


class KeyHandler(ManagementHandler):
    """`/api-keys/{id}`."""

    async def get(self, key_id: str) -> None:
        """Describes a key.

        Raises:
            ApiError: 404, there is none, or it is somebody else's.
        """
        self.query()
        owner = self.actor.owner
        self.write_json(await self.run(lambda: key_body(keys.find(int(key_id), owner))))

    async def patch(self, key_id: str) -> None:
        """Changes what is given; a null lifts a limit.

        Raises:
            ApiError: 400, a value cannot be used; 403, it is for administrators; 404.
        """
        self.query()
        body = self.read_body(CHANGES)
        row = await self.accounts.change_key(self.actor, int(key_id), body)
        self.write_json(await self.run(lambda: key_body(row)))

    async def delete(self, key_id: str) -> None:
        """Revokes a key for good.

        Raises:
            ApiError: 404.
        """
        self.query()
        await self.accounts.revoke_key(self.actor, int(key_id))
        self.set_status(204)


class RotationHandler(ManagementHandler):
    """`/api-keys/{id}/rotate`."""

    async def post(self, key_id: str) -> None:
        """Gives a key another secret, and shows it this once.

        Raises:
            ApiError: 400; 404.
        """
        self.query()
        body = self.read_body(ROTATION) if self.request.body else {}
        grace = body.get("grace_seconds") or 0
        made = await self.accounts.rotate_key(self.actor, int(key_id), grace)
        self.write_json(await self.run(lambda: _shown(made)))


def key_body(row: ApiKey) -> dict[str, Any]:
    """A key as JSON has it. Blocks, as what is spent of its budget has to be looked up."""
    permissions = Permissions.read(row.permissions)
    return {
        "object": "api_key",
        "id": row.id,
        "user_id": row.user.id,
        "name": row.name,
        "prefix": row.prefix,
        "models": permissions.models,
        "endpoints": permissions.endpoints,
        "rpm": row.rate_limit_rpm,
        "tpm": row.rate_limit_tpm,
        "max_in_flight": row.max_in_flight,
        "budget": dollars(row.budget),
        "budget_period": row.budget_period,
        "budget_spent": dollars(budgets.budget_spent(row)),
        "is_active": row.is_active,
        "log_requests": row.log_requests,
        "expires_at": seconds(row.expires_at),
        "last_used_at": seconds(row.last_used_at),
        "created_at": seconds(row.created_at),
        "previous_expires_at": seconds(row.previous_expires_at),
    }


def _shown(made: tuple[ApiKey, str]) -> dict[str, Any]:
    row, key = made
    return {**key_body(row), "key": key}
