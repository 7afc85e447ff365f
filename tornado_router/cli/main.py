"""The command `tornado-router`, and every command below it."""

from __future__ import annotations

import click

from tornado_router import __version__
from tornado_router.cli.plugin_commands import OpenGroup

_COMMANDS = {
    "cache": "cache_commands:cache",
    "check": "check_command:check",
    "credits": "credit_commands:credits_group",
    "db": "database_commands:db",
    "health": "health_command:health",
    "init": "init_command:init",
    "invites": "invite_commands:invites_group",
    "keys": "key_commands:keys_group",
    "models": "models_command:models_command",
    "openapi": "openapi_command:print_openapi",
    "plans": "plan_commands:plans_command",
    "plugins": "plugins_group:plugins",
    "reload": "running_commands:reload",
    "restart": "running_commands:restart",
    "serve": "serve_command:serve",
    "usage": "usage_command:usage_command",
    "users": "user_commands:users_group",
}
"""Where each command stands: what it needs is imported for it alone."""


@click.group(
    cls=OpenGroup,
    own={name: f"tornado_router.cli.{place}" for name, place in _COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="tornado-router")
def main() -> None:
    """One server in front of every LLM provider, for OpenAI's and Anthropic's clients."""


@main.group(
    "import",
    cls=OpenGroup,
    prefix="import.",
    separate={"litellm": "tornado-llm-router-import-litellm"},
)
def import_() -> None:
    """Make a router.toml from the configuration of another gateway."""
