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


def raise_file_limit(config: Config) -> int:
    """Raises the soft limit (`ulimit -n`) to what the process may need, or to the hard limit.

    Beyond it, no connection is accepted, no vendor is reached and the journal cannot be written. So
    where it does not suffice, clients get no more than leaves the vendors as many.

    Returns:
        How many connections clients may have: `max_connections`, or fewer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    configured = config.server.max_connections
    if soft == resource.RLIM_INFINITY:
        return configured
    wanted = wanted_files(config)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    limit = max(soft, allowed)
    rest = limit - min(SPARE, limit // 4)
    for_clients = max(rest // 2, rest - (wanted - configured - SPARE))
    if for_clients >= configured:
        return configured
    logger.warning(
        "the system allows {} open files (ulimit -n), too few for max_connections = {}: clients "
        "may have {}; raise the one or lower the other",
        limit,
        configured,
        for_clients,
    )
    return for_clients
