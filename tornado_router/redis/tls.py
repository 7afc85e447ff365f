"""How the router makes sure that it talks to the right Redis, where Redis speaks TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from functools import lru_cache

from tornado_router.config.options import RedisOptions
from tornado_router.errors import Fault


def redis_context(options: RedisOptions) -> ssl.SSLContext | None:
    """What to connect with, or None without TLS. It verifies the certificate and the host name.

    Args:
        options: where Redis is; `tls_ca` as it is found from anywhere.

    Raises:
        OSError: the CA file cannot be used.
    """
    return _context(options.tls_ca) if options.tls else None


def check_redis(options: RedisOptions) -> Iterator[Fault]:
    """What is wrong with `[redis]`."""
    if options.tls_ca and not options.tls:
        yield Fault("redis.tls_ca", "is of no use without `tls = true`")
        return
    try:
        redis_context(options)
    except ssl.SSLError:
        yield Fault("redis.tls_ca", f"{options.tls_ca} holds no certificates in PEM")
    except OSError as error:
        yield Fault("redis.tls_ca", f"{options.tls_ca} cannot be read: {error.strerror}")


def explain(error: OSError) -> str:
    """Why no connection came about, in one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection came about: {error.reason or 'it hung up'}"
    return str(error) or "no answer"


@lru_cache(maxsize=4)
def _context(tls_ca: str) -> ssl.SSLContext:
    """Made once: the system's certificates take tens of milliseconds to load."""
    return ssl.create_default_context(cafile=tls_ca or None)
