"""The command `tornado-router`, and every command below it."""

from __future__ import annotations

import click

from tornado_router import __version__
from tornado_router.cli.cache_commands import cache
from tornado_router.cli.check_command import check
from tornado_router.cli.credit_commands import credits_group
from tornado_router.cli.database_commands import db
from tornado_router.cli.health_command import health
from tornado_router.cli.init_command import init
from tornado_router.cli.invite_commands import invites_group
from tornado_router.cli.key_commands import keys_group
from tornado_router.cli.openapi_command import print_openapi
from tornado_router.cli.plan_commands import plans_command
from tornado_router.cli.plugin_commands import OpenGroup
from tornado_router.cli.plugins_group import plugins
from tornado_router.cli.serve_command import serve
from tornado_router.cli.user_commands import users_group


@click.group(cls=OpenGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tornado-router")
def main() -> None:
    """One server in front of every LLM provider, speaking the OpenAI API."""


@main.group(
    "import",
    cls=OpenGroup,
    prefix="import.",
    separate={"litellm": "tornado-llm-router-import-litellm"},
)
def import_() -> None:
    """Make a router.toml from the configuration of another gateway."""


_COMMANDS = (
    *(init, serve, check, health, print_openapi, plugins, db, cache),
    *(keys_group, users_group, credits_group, invites_group, plans_command),
)
for command in _COMMANDS:
    main.add_command(command)
