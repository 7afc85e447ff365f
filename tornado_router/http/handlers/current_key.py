"""`GET /v1/key`: what the holder of an API key may know of it."""

from __future__ import annotations

from tornado_router.accounts import keys
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.objects.current_key import KeyInUse, KeyInUseResponse


class CurrentKeyHandler(BaseHandler):
    """The key that the request was sent with."""

    def set_default_headers(self) -> None:
        """Headers of every response; no cache on the way may keep it."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    async def get(self) -> None:
        """Describes it, and what is left of its budget.

        Raises:
            ApiError: 404, it was revoked a moment ago; 503, the database is away.
        """
        assert self.key is not None, "a key is never open"
        key, plans = self.key, self.services.serving.plans
        self.write_json(
            await self.services.accounts.storage.run(
                lambda: KeyInUseResponse(data=KeyInUse.of(keys.find(key.id), plans, key.digest))
            )
        )
