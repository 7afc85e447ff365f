"""How the router connects to PostgreSQL: the URL, and what it sets where the URL says nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote

from tornado_router.errors import RouterError

CONNECTION = {
    "connect_timeout": 5,
    "application_name": "tornado-router",
    "target_session_attrs": "read-write",  # after a failover, the old primary may still answer
    # A server that is gone is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms
}
"""Defaults of what a URL may say about a connection:
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS."""

SET_UP = """
SELECT CASE current_setting('statement_timeout')
         WHEN '0' THEN set_config('statement_timeout', '20s', false) END,
       set_config('tcp_keepalives_idle', '10', false),
       set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('tcp_user_timeout', '15s', false)
"""
"""Sets up a session on the server.

A statement ends before the coroutine that waits for it gives up (`PATIENCE_SECONDS`), unless the
URL, the role or the database says otherwise. And the server, too, notices a router that is gone,
and frees its locks. A statement does this, since poolers refuse most settings in the start-up
packet: https://www.pgbouncer.org/config.html#ignore_startup_parameters.
"""


class LocationError(RouterError):
    """The URL of a database cannot be what was meant."""


def connection_settings(url: str) -> dict[str, Any]:
    """The defaults of a connection, without those that the URL sets."""
    given = _parameters(url)
    return {name: value for name, value in CONNECTION.items() if name not in given}


def hosts(url: str) -> list[str]:
    """Where the servers of a URL are, one of which is used; "" for this machine's own socket."""
    given = _parameters(url)
    listed = given.get("hostaddr") or given.get("host")
    if listed:
        return listed.split(",")
    server = url.partition("://")[2].partition("?")[0].partition("/")[0].rpartition("@")[2]
    return [_without_port(unquote(host)) for host in server.split(",")]


def ssl_mode(url: str) -> str:
    """How a URL has its connections encrypted; "" if it does not say."""
    return _parameters(url).get("sslmode", "")


def check_url(url: str) -> None:
    """Refuses a password that is not percent-encoded.

    Its rest would be taken for the host, and be shown in messages.

    Raises:
        LocationError: there is an `@` that ends no password.
    """
    plain, _, query = url.partition("://")[2].partition("?")
    server, _, name = plain.partition("/")
    before, at, _ = query.partition("@")
    if server.count("@") > 1 or "@" in name or (at and "=" not in before):
        raise LocationError(
            "a user or password in the URL of a database has to be percent-encoded; "
            "`password` in [database] takes it as it is"
        )


def url_title(url: str) -> str:
    """The URL without anything that may belong to a password."""
    plain, _, query = url.partition("://")[2].partition("?")
    if "@" in query:  # perhaps the end of a password with a question mark in it
        return "postgresql"
    return f"postgresql://{plain.rpartition('@')[2]}"


def _parameters(url: str) -> dict[str, str]:
    """What a URL says behind its question mark; libpq takes the last of several."""
    query = url.partition("?")[2]
    return {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
