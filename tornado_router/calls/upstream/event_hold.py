"""Counts what is held of an event of a stream whose end has not come yet."""

from __future__ import annotations

from tornado_router.background.held_memory import UNCOUNTED, HeldMemory, Hold
from tornado_router.error_codes import Refusal


class EventHold:
    """What one stream holds of its event.

    Args:
        memory: what the bodies of all providers and of all clients hold together.
    """

    __slots__ = ("_held", "_hold", "_memory")

    def __init__(self, memory: HeldMemory) -> None:
        self._memory = memory
        self._hold: Hold | None = None
        self._held = 0

    def set(self, size: int) -> None:
        """Counts an event.

        Args:
            size: in bytes; 0 once the event is complete.

        Raises:
            ApiError: 503, the bodies that this process holds leave no room for it.
        """
        if size <= UNCOUNTED:
            self.free()
            return
        if self._hold is None:
            self._hold = Hold(self._memory)
        if not self._hold.grow(size - self._held):
            raise Refusal.overloaded()
        self._held = size

    def free(self) -> None:
        """Holds nothing any more."""
        if self._hold is not None:
            self._hold.free()
            self._hold, self._held = None, 0
