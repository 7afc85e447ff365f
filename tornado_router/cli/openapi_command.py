"""`tornado-router openapi`: prints the OpenAPI document."""

from __future__ import annotations

import click
import orjson

from tornado_router.calls.passed.rules import Rules
from tornado_router.config.options import PassthroughOptions
from tornado_router.http import openapi
from tornado_router.http.urls import ROUTES
from tornado_router.validation import PROFILES, Profile


@click.command("openapi")
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default="standard",
    show_default=True,
    help="How strictly the router checks requests: `[validation] profile`.",
)
def print_openapi(profile: Profile) -> None:
    """Print the OpenAPI document of the HTTP API."""
    passed = Rules(PassthroughOptions(provider="openai", vendors=("claude",))).served
    document = openapi.document(ROUTES, profile, passed=passed)
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
