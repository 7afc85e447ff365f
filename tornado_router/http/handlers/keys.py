"""`/api-keys`: one's own API keys; an administrator's are everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.accounts import budgets, keys, users
from tornado_router.accounts.permissions import Permissions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.error_codes import Refusal
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


class AnyKeyHandler(ManagementHandler):
    """A request about keys."""

    def check_recording(self, body: Mapping[str, Any]) -> None:
        """Lets administrators alone say whether requests and answers are kept.

        Raises:
            ApiError: 403.
        """
        if "log_requests" in body and not self.user.is_admin:
            raise Refusal.admin_required(do="set 'log_requests'", param="log_requests")


class KeysHandler(AnyKeyHandler):
    """`/api-keys`."""

    async def get(self) -> None:
        """Lists keys.

        Raises:
            ApiError: 400, a query that cannot be used; 404, a user of somebody else's asking.
        """
        query = self.query("limit", "after", "user_id")
        limit, after = self.page(query)
        user_id = integer(query, "user_id", None)
        if user_id is None:
            user_id = self.user.id
        elif user_id != self.user.id:
            await self._find_user(user_id)
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
        self.check_recording(body)
        data = await self.run(lambda: _shown(keys.create(self.user.id, body, ENDPOINTS)))
        self.set_status(201)
        self.write_json(data)

    async def _find_user(self, user_id: int) -> None:
        if not self.user.is_admin:
            raise Refusal.user_not_found(id=user_id)
        await self.run(lambda: users.find_user(user_id))


class OneKeyHandler(AnyKeyHandler):
    """A request about one key."""

    def find(self, key_id: str) -> ApiKey:
        """The key of the path, if it is for whoever asks to see. Blocks.

        Raises:
            ApiError: 404.
        """
        return keys.find(int(key_id), None if self.user.is_admin else self.user.id)


class KeyHandler(OneKeyHandler):
    """`/api-keys/{id}`."""

    async def get(self, key_id: str) -> None:
        """Describes a key.

        Raises:
            ApiError: 404, there is none, or it is somebody else's.
        """
        self.query()
        self.write_json(await self.run(lambda: key_body(self.find(key_id))))

    async def patch(self, key_id: str) -> None:
        """Changes what is given; a null lifts a limit.

        Raises:
            ApiError: 400, a value cannot be used; 403, it is for administrators; 404.
        """
        self.query()
        body = self.read_body(CHANGES)
        self.check_recording(body)

        def change() -> tuple[int, dict[str, Any]]:
            row = keys.change(self.find(key_id).id, body, ENDPOINTS)
            return row.user.id, key_body(row)

        user_id, data = await self.run(change)
        await self.services.accounts.changes.publish(user_id)
        self.write_json(data)

    async def delete(self, key_id: str) -> None:
        """Revokes a key for good.

        Raises:
            ApiError: 404.
        """
        self.query()
        row = await self.run(lambda: keys.revoke(self.find(key_id).id))
        await self.services.accounts.changes.publish(row.user.id)
        self.set_status(204)


class RotationHandler(OneKeyHandler):
    """`/api-keys/{id}/rotate`."""

    async def post(self, key_id: str) -> None:
        """Gives a key another secret, and shows it this once.

        Raises:
            ApiError: 400; 404.
        """
        self.query()
        body = self.read_body(ROTATION) if self.request.body else {}
        grace = body.get("grace_seconds") or 0

        def rotate() -> tuple[int, dict[str, Any]]:
            row, key = keys.rotate(self.find(key_id).id, grace)
            return row.user.id, _shown((row, key))

        user_id, data = await self.run(rotate)
        await self.services.accounts.changes.publish(user_id)
        self.write_json(data)


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
