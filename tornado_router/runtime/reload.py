"""Loads changed files while the router serves: on SIGHUP, or as soon as they change."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from loguru import logger

from tornado_router.background.supervisor import repeat
from tornado_router.config.reader import keep_fixed, sources
from tornado_router.errors import ConfigError
from tornado_router.runtime.config_warnings import config_warnings
from tornado_router.runtime.loaded_config import load_config
from tornado_router.runtime.router_process import RouterProcess

WATCH_SECONDS = 1.0
"""How often the files are checked. A change counts once it has lasted for as long: a file may be
half written."""

_State = dict[Path, tuple[int, int, int] | None]


class Reloader:
    """Reloads the router.toml of a process. To be made and closed on its event loop.

    Args:
        router: what serves it.
        environ: values for `${NAME}`, over those of the `.env` beside the file.
    """

    def __init__(self, router: RouterProcess, environ: Mapping[str, str]) -> None:
        self._router = router
        self._environ = environ
        self._files = self._find_files()
        self._taken = self._seen = self._look()
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGHUP, self.reload)
        self._watches: repeat | None = None
        if router.loaded.config.server.watch:
            self._watches = repeat("file watch", WATCH_SECONDS, self._watch)

    def close(self) -> None:
        """Stops watching and reloading."""
        self._loop.remove_signal_handler(signal.SIGHUP)
        if self._watches:
            self._watches.cancel()

    def reload(self) -> bool:
        """Loads the files as they are now; with a fault, logs it and keeps the previous ones.

        They are tried again when one of them changes, not before.
        """
        self._files = self._find_files()
        self._taken = self._look()
        before = self._router.loaded
        try:
            after = load_config(before.path, self._environ, before=before)
            if self._router.tls:
                self._router.tls.load()
        except ConfigError as error:
            logger.error(
                "{} was not loaded; the previous configuration stays in effect: {}",
                before.path,
                error,
            )
            return False
        config, fixed = keep_fixed(before.config, after.config)
        self._router.adopt(replace(after, config=config))
        logger.info("loaded {}", before.path)
        for item in after.providers.values():
            if item.off and item is not before.providers.get(item.name):
                logger.warning("provider {} is off: {}", item.name, item.off)
        known = set(config_warnings(before))
        for warning in config_warnings(after):
            if warning not in known:
                logger.warning("{}: {}", before.path, warning)
        if fixed:
            logger.warning("these options need a restart: {}", ", ".join(fixed))
        return True

    def _watch(self) -> None:
        state = self._look()
        if state == self._seen and state != self._taken:
            self.reload()
        self._seen = state

    def _find_files(self) -> list[Path]:
        """All files that a reload reads: a renewed certificate or secret is a change too."""
        tls = self._router.tls
        return [*sources(self._router.loaded.path), *(tls.files if tls else ())]

    def _look(self) -> _State:
        return {path: _state(path) for path in self._files}


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
