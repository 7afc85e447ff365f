"""`/api-keys`: one's own API keys; for administrators, all of them."""

from __future__ import annotations

from tornado_router.accounts import keys, users
from tornado_router.http.handlers.management import ManagementHandler, integer
from tornado_router.http.objects.keys import (
    ApiKey,
    ApiKeyChanges,
    ApiKeyList,
    ApiKeyWithSecret,
    NewApiKey,
    Rotation,
)


class KeysHandler(ManagementHandler):
    """`/api-keys`."""

    async def get(self) -> None:
        """Lists keys.

        Raises:
            ApiError: 400, a query that cannot be used; 404, the user is not visible.
        """
        query = self.query("limit", "after", "user_id")
        limit, after = self.page(query)
        user_id = integer(query, "user_id", self.user.id)
        assert user_id is not None
        if user_id != self.user.id:
            await self.run(lambda: users.find_user(user_id, self.actor.owner))
        data = await self.run(
            lambda: [ApiKey.of(row) for row in keys.list_keys(user_id, limit, after)]
        )
        self.write_json(ApiKeyList.of(data, limit))

    async def post(self) -> None:
        """Makes a key, and shows it this once.

        Raises:
            ApiError: 400, a value cannot be used; 403, it is for administrators; 409, there are too
                many.
        """
        self.query()
        body = self.read(NewApiKey)
        row, key = await self.accounts.create_key(self.actor, self.user.id, body.given())
        self.set_status(201)
        self.write_json(await self.run(lambda: ApiKeyWithSecret.of(row, key=key)))


class KeyHandler(ManagementHandler):
    """`/api-keys/{id}`."""

    async def get(self, key_id: str) -> None:
        """Describes a key.

        Raises:
            ApiError: 404, there is none, or it belongs to another user.
        """
        self.query()
        owner = self.actor.owner
        self.write_json(await self.run(lambda: ApiKey.of(keys.find(int(key_id), owner))))

    async def patch(self, key_id: str) -> None:
        """Changes what is given; a null lifts a limit.

        Raises:
            ApiError: 400, a value cannot be used; 403, it is for administrators; 404.
        """
        self.query()
        body = self.read(ApiKeyChanges)
        row = await self.accounts.change_key(self.actor, int(key_id), body.given())
        self.write_json(await self.run(lambda: ApiKey.of(row)))

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
        body = self.read(Rotation) if self.request.body else Rotation()
        row, key = await self.accounts.rotate_key(self.actor, int(key_id), body.grace_seconds or 0)
        self.write_json(await self.run(lambda: ApiKeyWithSecret.of(row, key=key)))
