"""`tornado-router health`: asks a running router how it is."""

from __future__ import annotations

import json
import ssl
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import click

from tornado_router.cli.common import (
    config_option,
    json_option,
    read_or_exit,
    show_json,
    show_table,
)
from tornado_router.config.reader import Config

SECONDS = 10
STATES = {"closed": "well", "half-open": "trying", "open": "left out"}
"""What the state of a target's circuit breaker means to its operator."""

_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not to listen


@click.command()
@config_option
@click.option("--url", help="The router's URL. Default: the address in router.toml.")
@click.option(
    "--key",
    envvar="TORNADO_ROUTER_KEY",
    help="An administrator's API key, for a router of another machine: without one, it shows its "
    "state alone.",
)
@json_option
def health(path: Path, url: str | None, key: str | None, *, as_json: bool) -> None:
    """Show how a running router and its targets are doing.

    JSON is what GET /health responds.
    """
    if url:
        state = _ask(url, None, key)
    else:
        config = read_or_exit(path).config
        state = _ask(*_place_in(config), key or _operator_token(config))
    if as_json:
        show_json(state)
    else:
        _show(state)


def _show(state: dict[str, Any]) -> None:
    click.echo(
        f"{state['status']}: {state['calls']} calls in flight, the event loop was up to "
        f"{state['loop_lag_ms']} ms late, {state['ledger_bytes']} bytes of usage wait"
    )
    # A router of another version may not tell of all.
    for name in ("database", "redis"):
        if state.get(name, "off") != "off":
            click.echo(f"{name}: {state[name]}")
    for name, why in state.get("broken_plugins", {}).items():
        click.echo(f"plugin {name}: broken: {why}")
    if "providers" not in state:
        click.echo("Its providers and targets are shown to administrators: give --key")
        return
    for name, provider in state["providers"].items():
        why = f": {provider['reason']}" if "reason" in provider else ""
        click.echo(f"provider {name} ({provider['type']}): {provider['state']}{why}")
    rows = [
        (
            f"{item['provider']}/{item['model']}",
            STATES[item["state"]],
            item["failures"],
            f"{item['seconds_left']} s" if item["seconds_left"] else "-",
            item["calls"],
            "-" if item["first_byte_ms"] is None else f"{item['first_byte_ms']} ms",
        )
        for item in state["targets"]
    ]
    if rows:
        titles = ("target", "state", "failures", "left out for", "calls", "first byte")
        show_table(titles, rows)


def _operator_token(config: Config) -> str | None:
    """What a router of this machine takes from an operator who can read its files."""
    try:
        return config.operator_token.read_text()
    except OSError:
        return None


def _place_in(config: Config) -> tuple[str, ssl.SSLContext | None]:
    """The URL of a configuration's router, and how to know it by its certificate."""
    options = config.server
    host = _EVERYWHERE.get(options.host, options.host)
    place = f"[{host}]:{options.port}" if ":" in host else f"{host}:{options.port}"
    if not options.tls_certificate:
        return f"http://{place}", None
    # It is made out to another name than that of this machine.
    context = ssl.create_default_context(cafile=config.folder / options.tls_certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return f"https://{place}", context


def _ask(url: str, context: ssl.SSLContext | None, key: str | None) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise click.ClickException(f"'{url}' is not a URL such as http://127.0.0.1:3000")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = Request(url.rstrip("/") + "/health", headers=headers)  # noqa: S310 - see above
    try:
        with urlopen(request, timeout=SECONDS, context=context) as answer:  # noqa: S310
            state: dict[str, Any] = json.load(answer)
            return state
    except URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise click.ClickException(
                f"the certificate of {url} is not trusted: {error.reason.verify_message}. Name the "
                "one of its authority in SSL_CERT_FILE, or ask the router of a router.toml: leave "
                "out --url"
            ) from None
        raise click.ClickException(f"no router answers at {url}: {error.reason}") from None
    except (HTTPException, OSError, ValueError) as error:
        raise click.ClickException(f"no router answers at {url}: {error}") from None
