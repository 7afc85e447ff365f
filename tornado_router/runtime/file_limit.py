"""Raises the number of files and sockets that the process may have open, as far as allowed."""

from __future__ import annotations

import resource

from loguru import logger

from tornado_router.config.reader import Config

SPARE = 256
"""For the databases, Redis, the journal and the log."""


def wanted_files(config: Config) -> int:
    """How many files and sockets one process may need at most."""
    upstreams = sum(table.common.max_connections for table in config.providers.values())
    return config.server.max_connections + upstreams + SPARE


def raise_file_limit(config: Config) -> None:
    """Raises the soft limit (`ulimit -n`) to what the process may need, or to the hard limit.

    Beyond it, no connection is accepted and the journal cannot be written. A limit that does not
    suffice for the connections of clients is logged.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    wanted = wanted_files(config)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    limit = max(soft, allowed)
    if limit < config.server.max_connections + SPARE:
        logger.warning(
            "the system allows {} open files (ulimit -n), too few for max_connections = {}: raise "
            "the one or lower the other",
            limit,
            config.server.max_connections,
        )
