"""`tornado-router init`: writes a router.toml to begin with."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from tornado_router.config.check import meant, table_header
from tornado_router.plugins.registry import install_hint, load_plugins
from tornado_router.provider import OptionError, Provider

ECHO = "echo"

_HEAD = """\
# One deployment of Tornado Router. `tornado-router check` proves this file. `${NAME}` is a variable
# of the environment, or of a file `.env` beside this one; a provider that lacks one is off.

[server]
host = "127.0.0.1"      # "0.0.0.0" for other machines, too; sessions then need [auth] jwt_secret
port = 3000

"""

_ECHO = """\
# Responds offline with the last message, for a first try.
[providers.echo]
type = "echo"
models = ["echo"]

[prices."echo/*"]
input = 0

"""

_PLAN = """\
# What a new account may do, with all its keys together; administrators are on the plan `unlimited`.
[plans.free]
rpm = 60                # requests per minute
# credits = 5.0         # US dollars to begin with; every model they pay for then needs a price

# A model name of your own: the next target is tried when one fails.
# [routes.fast]
# targets = ["{target}"]
"""


@click.command()
@click.argument(
    "path", metavar="[FILE]", default="router.toml", type=click.Path(dir_okay=False, path_type=Path)
)
@click.option(
    "--provider",
    "types",
    multiple=True,
    help="A provider type to set up, such as `openai`; repeatable. Without it, asks in a terminal.",
)
def init(path: Path, types: tuple[str, ...]) -> None:
    """Write a router.toml to begin with."""
    if path.exists():
        raise click.ClickException(f"there is a file {path} already; it was not changed")
    plugins = load_plugins()
    installed = dict(sorted(plugins.types.items()))
    if not types and installed and is_terminal():
        click.echo(f"Installed provider types: {', '.join(installed)}")
        said = click.prompt("Which will you use, beside echo? (none is fine)", default="")
        types = tuple(said.replace(",", " ").split())
    for name in types:
        if name not in installed:
            raise click.ClickException(
                f"there is no provider type '{name}'{meant(name, installed) or install_hint(name)}"
            )
    chosen = dict.fromkeys(name for name in types if name != ECHO)
    tables = {name: _options(name, installed[name]) for name in chosen}
    _write(path, tables, has_echo=ECHO in installed)
    click.echo(f"wrote {path}; next:\n")
    variables = [variable for options in tables.values() for variable in options.values()]
    if variables:
        beside = path.parent / ".env"
        click.echo(f"    put {' and '.join(variables)} into {beside}, as NAME=VALUE lines")
    where = "" if path == Path("router.toml") else f" {path}"
    click.echo(f"    tornado-router check{where} --connect")
    click.echo(f"    tornado-router serve{where}")


def is_terminal() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin.isatty()


def _write(path: Path, tables: Mapping[str, Mapping[str, str]], *, has_echo: bool) -> None:
    target = f"{next(iter(tables))}/MODEL" if tables else "echo/echo"
    parts = [_HEAD, _ECHO if has_echo else "", *_tables(tables)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join([*parts, _PLAN.replace("{target}", target)]), encoding="utf-8")


def _tables(tables: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    for name, options in tables.items():
        yield f"# A model is asked for as `{name}/MODEL`; those in `models`, also by bare names.\n"
        yield f'{table_header("providers", name)}\ntype = "{name}"\n'
        yield from (f'{option} = "${{{variable}}}"\n' for option, variable in options.items())
        yield '# models = ["MODEL", "*"]\n\n'


def _options(name: str, kind: type[Provider]) -> dict[str, str]:
    """The options that a provider cannot do without, and variables for them."""
    found: dict[str, str] = {}
    values = dict.fromkeys(kind.options_schema.get("required", ()), "x")
    properties = kind.options_schema.get("properties", {})
    for _ in properties:
        try:
            kind(name, values)
        except OptionError as error:
            if error.option in values:
                break
            values[error.option] = "https://x" if "url" in error.option else "x"
            if "api_key" in properties:  # a server of the operator has no need of either
                values.setdefault("api_key", "x")
        else:
            break
    for option in values:
        words = f"{name}_{option}".upper()
        found[option] = "".join(c if c.isalnum() else "_" for c in words)
    return found
