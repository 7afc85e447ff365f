"""`tornado-router plugins`: lists what is installed, and creates a package for a new provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tornado_router import scaffold
from tornado_router.cli.common import (
    config_option,
    json_option,
    read_or_exit,
    show_json,
    summary,
)
from tornado_router.cli.plugin_commands import (
    OpenGroup,
    PluginCommand,
    fault_of,
    plugin_commands,
)
from tornado_router.plugins.registry import DISTRIBUTIONS, Plugins, load_plugins
from tornado_router.provider import Provider

_Commands = list[tuple[PluginCommand, str | None]]
"""Commands of installed packages, each with why it cannot be run, or None."""


@click.group(invoke_without_command=True)
@config_option
@click.option("--abilities", is_flag=True, help="Also list what each type can do by an endpoint.")
@json_option
@click.pass_context
def plugins(context: click.Context, path: Path, *, abilities: bool, as_json: bool) -> None:
    """List the installed plugins, what they offer, and what is wrong with them.

    Exits with status 1 if one cannot be used. JSON has the abilities always, and not the providers
    of router.toml, which `health --json` has.
    """
    if context.invoked_subcommand:
        return
    installed = load_plugins()
    main = context.find_root().command
    assert isinstance(main, OpenGroup)
    commands = [(offer, fault_of(main, offer)) for offer in plugin_commands()]
    if as_json:
        show_json(_objects(installed, commands))
    else:
        _show(installed, commands, abilities=abilities)
        if path.exists():
            click.echo(f"{path}:")
            for line in summary(read_or_exit(path)):
                click.echo(f"  {line}")
    if installed.broken or installed.conflicts or any(fault for _, fault in commands):
        raise SystemExit(1)


def _show(installed: Plugins, commands: _Commands, *, abilities: bool) -> None:
    if not installed.found:
        click.echo("no plugin is installed, so there is no provider type. For example:")
        for name in dict.fromkeys(DISTRIBUTIONS.values()):
            click.echo(f"  pip install {name}")
    for plugin in installed.found:
        click.echo(f"{plugin.label} (plugin API {plugin.api_version or 'not stated'})")
        click.echo(f"  state: {'broken: ' + plugin.broken if plugin.broken else 'loaded'}")
        for name, kind in sorted(plugin.types.items()):
            endpoints = _abilities(kind) if abilities else ", ".join(kind.capabilities)
            click.echo(f"  type {name}: {endpoints}{_conflict(installed, name)}")
    for offer, fault in commands:
        click.echo(f"{offer.label}")
        click.echo(f"  command {offer.path.replace('.', ' ')}: {fault or 'loaded'}")


def _objects(installed: Plugins, commands: _Commands) -> dict[str, list[dict[str, Any]]]:
    """The same as `_show` prints."""
    return {
        "plugins": [
            {
                "distribution": plugin.distribution,
                "version": plugin.version,
                "api_version": plugin.api_version,
                "broken": plugin.broken,
                "types": [
                    {
                        "type": name,
                        "endpoints": {key: list(words) for key, words in kind.capabilities.items()},
                        "conflict": installed.conflicts.get(name, []),
                    }
                    for name, kind in sorted(plugin.types.items())
                ],
            }
            for plugin in installed.found
        ],
        "commands": [
            {"command": offer.path.replace(".", " "), "plugin": offer.label, "broken": fault}
            for offer, fault in commands
        ],
    }


@plugins.command("new")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    help="Where to create the package's folder.",
)
def new_plugin(name: str, folder: Path) -> None:
    """Create a package for a provider of your own, complete with passing tests."""
    try:
        made = scaffold.create(name, folder, taken=_type_owners())
    except scaffold.ScaffoldError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"created {made}; to test it:\n")
    click.echo(f"    cd {made}")
    click.echo("    pip install -e '.[testing]'")
    click.echo("    pytest")


def _type_owners() -> dict[str, str]:
    """Every provider type that is installed, and the distribution that offers it."""
    return {name: plugin.distribution for plugin in load_plugins().found for name in plugin.types}


def _abilities(kind: type[Provider]) -> str:
    return "; ".join(
        f"{endpoint} ({', '.join(words)})" if words else endpoint
        for endpoint, words in kind.capabilities.items()
    )


def _conflict(installed: Plugins, name: str) -> str:
    claimants = installed.conflicts.get(name)
    return f" -- NOT USED, offered by {' and by '.join(claimants)}" if claimants else ""
