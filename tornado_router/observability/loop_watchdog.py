"""Notices when something blocks the event loop, and says which plugin it was.

Every call waits while one function computes or does blocking I/O on the loop. A thread looks at
what the loop's thread is doing when the loop has not come round for too long.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from types import FrameType

from loguru import logger

from tornado_router.background.supervisor import SupervisedThread, repeat

BEAT_SECONDS = 0.25
BLOCKED_SECONDS = 1.0

WINDOW_SECONDS = 15.0
"""The worst lag is kept for as long, and at most for twice as long: Prometheus looks every 15
seconds or so, and a loop that was blocked in between has to be seen."""


class LoopWatchdog:
    """Watches the running event loop. To be made and closed on it.

    Args:
        plugins: what to call a plugin, by the name of its module.
        blocked_seconds: how long the loop may be away before that is reported.
    """

    def __init__(
        self, plugins: Mapping[str, str], *, blocked_seconds: float = BLOCKED_SECONDS
    ) -> None:
        self._plugins = plugins
        self._blocked_seconds = blocked_seconds
        self._loop_thread = threading.get_ident()
        self._closing = threading.Event()
        self._due = self._window_end = time.monotonic()
        self._worst = self._worst_before = 0.0
        self._beat()
        self._beats = repeat("loop beat", BEAT_SECONDS, self._beat)
        self._thread = SupervisedThread("loop watchdog", self._watch, self._closing)

    @property
    def lag(self) -> float:
        """The worst delay of the loop in the last 15 to 30 seconds.

        So long a call waited for others, at worst, each time that it had something to do.
        """
        return max(self._worst, self._worst_before, time.monotonic() - self._due)

    def close(self) -> None:
        """Stops watching."""
        self._beats.cancel()
        self._closing.set()
        self._thread.join()

    def _beat(self) -> None:
        now = self._last_beat = time.monotonic()
        if now >= self._window_end:
            self._window_end = now + WINDOW_SECONDS
            self._worst_before, self._worst = self._worst, 0.0
        self._worst = max(self._worst, now - self._due)
        self._due = now + BEAT_SECONDS

    def _watch(self) -> None:
        reported = 0.0
        while not self._closing.wait(BEAT_SECONDS):
            beat = self._last_beat
            if beat != reported and time.monotonic() - beat > self._blocked_seconds:
                reported = beat  # once for each time that it is blocked
                self._report(sys._current_frames().get(self._loop_thread))

    def _report(self, frame: FrameType | None) -> None:
        place = _place(frame) if frame else "an unknown place"
        culprit = self._plugin_in(frame)
        who = f"the plugin {culprit}" if culprit else "the router"
        logger.error("{} blocks the event loop, and every call with it, in {}", who, place)

    def _plugin_in(self, frame: FrameType | None) -> str | None:
        while frame:
            package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            if package in self._plugins:
                return self._plugins[package]
            frame = frame.f_back
        return None


def _place(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name} (line {frame.f_lineno})"
