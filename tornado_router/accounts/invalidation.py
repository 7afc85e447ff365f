"""Tells everybody who caches users and keys that those of a user changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Listener = Callable[[int | None], None]
"""Told the id of a user who changed, or None: anybody may have."""


class Changes(Protocol):
    """Carries word of changes to every process of a deployment."""

    @property
    def live(self) -> bool:
        """Whether changes that other processes make are heard of now."""
        ...

    def listen(self, listener: Listener) -> None:
        """Has somebody told of every change from now on."""
        ...

    async def publish(self, user_id: int) -> None:
        """Tells everybody, after a change was committed. Never fails: caches time out too."""
        ...

    async def close(self) -> None:
        """Stops listening."""
        ...


class LocalChanges:
    """Changes that this process made: all there are where there is one process.

    The command line is another process, so word of its changes does not come: `live` is false.
    """

    live = False

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """See `Changes.listen`."""
        self._listeners.append(listener)

    async def publish(self, user_id: int) -> None:
        """See `Changes.publish`."""
        self.tell(user_id)

    def tell(self, user_id: int | None) -> None:
        """Tells those in this process."""
        for listener in self._listeners:
            listener(user_id)

    async def close(self) -> None:
        """See `Changes.close`."""
