"""TLS to Redis: the context to connect with, and checks of its options."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from functools import lru_cache

from tornado_router.config.options import RedisOptions
from tornado_router.errors import Fault


def redis_context(options: RedisOptions) -> ssl.SSLContext | None:
    """The TLS context, or None without TLS. It verifies the certificate and the host name.

    Args:
        options: where Redis is; `tls_ca` as an absolute path.

    Raises:
        OSError: the CA file cannot be used.
    """
    return _context(options.tls_ca) if options.tls else None


def check_redis(options: RedisOptions) -> Iterator[Fault]:
    """The faults of `[redis]`."""
    if options.tls_ca and not options.tls:
        yield Fault("redis.tls_ca", "has no effect without `tls = true`")
        return
    try:
        redis_context(options)
    except ssl.SSLError:
        yield Fault("redis.tls_ca", f"{options.tls_ca} holds no PEM certificates")
    except OSError as error:
        yield Fault("redis.tls_ca", f"{options.tls_ca} cannot be read: {error.strerror}")


def explain(error: OSError) -> str:
    """Why a connection failed, in one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        return f"the TLS handshake failed: {error.reason or 'connection closed'}"
    return str(error) or "no response"


@lru_cache(maxsize=4)
def _context(tls_ca: str) -> ssl.SSLContext:
    """Made once: the system's certificates take tens of milliseconds to load."""
    return ssl.create_default_context(cafile=tls_ca or None)
