"""Announces that a user or a key changed, so that each process looks the user's keys up anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Listener = Callable[[int | None], None]
"""Called with the id of a user who changed, or None: any user may have."""


class Publisher(Protocol):
    """Announces changes."""

    async def publish(self, user_id: int) -> None:
        """Announces a committed change of a user. Never fails, as caches time out too."""
        ...


class Invalidation(Publisher, Protocol):
    """Announces changes to every process of a deployment, and learns of theirs."""

    @property
    def live(self) -> bool:
        """Whether changes by other processes arrive at once."""
        ...

    def listen(self, listener: Listener) -> None:
        """Adds a listener, to be called at every change from now on."""
        ...

    async def close(self) -> None:
        """Stops listening."""
        ...


class LocalInvalidation:
    """Announces the changes of this process to itself; a deployment of one process has no others.

    The command line is another process, whose changes do not arrive: `live` is false.
    """

    live = False

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """See `Invalidation.listen`."""
        self._listeners.append(listener)

    async def publish(self, user_id: int) -> None:
        """See `Publisher.publish`."""
        for listener in self._listeners:
            listener(user_id)

    async def close(self) -> None:
        """See `Invalidation.close`."""
