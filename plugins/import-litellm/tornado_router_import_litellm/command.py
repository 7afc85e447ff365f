"""`tornado-router import litellm`: a router.toml from the configuration of a LiteLLM proxy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import tomlkit
import yaml

from tornado_router.config.reader import environment, examine
from tornado_router.errors import ConfigError, Fault
from tornado_router_import_litellm.conversion import PORT, Imported, convert


@click.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="router.toml",
    show_default=True,
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def litellm(source: Path, output: Path, force: bool) -> None:
    """Make a router.toml that does what a LiteLLM proxy's config.yaml says.

    What has no equivalent is listed, and noted in the file as comments. No secret is copied.
    """
    if output.exists() and not force:
        raise click.ClickException(f"{output} exists; --force replaces it")
    imported = convert(_read(source))
    output.write_text(_toml(imported, source), encoding="utf-8")
    for note in imported.notes:
        click.echo(f"{source}: {note}", err=True)
    for fault in _faults(output):
        click.echo(f"{output}: {fault}", err=True)
    counted = [(name, len(imported.tables.get(name, ()))) for name in ("routes", "providers")]
    made = ", ".join(
        f"{name}: {count}" for name, count in [*counted, ("notes", len(imported.notes))]
    )
    click.echo(f"wrote {output} ({made}); now: tornado-router check {output}")
    click.echo(
        f"It keeps LiteLLM's port, {PORT}, so that clients find it; while LiteLLM has that, serve "
        "by another: tornado-router serve --port 4001. Other machines reach it once [server] has "
        '`host = "0.0.0.0"`'
    )


def _read(source: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(source.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise click.ClickException(f"{source} is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise click.ClickException(f"{source} is not YAML: {error}") from None
    if not isinstance(found, Mapping):
        raise click.ClickException(f"{source} has no settings")
    return found


def _toml(imported: Imported, source: Path) -> str:
    document = tomlkit.document()
    rest = "Not in it, or to be looked at:" if imported.notes else "Nothing was left out."
    document.add(tomlkit.comment(f"Made from {source.name}. {rest}"))
    for note in imported.notes:
        document.add(tomlkit.comment(f"- {' '.join(str(note).split())}"))
    document.add(tomlkit.nl())
    for name, table in imported.tables.items():
        document.add(name, tomlkit.item(table))
    return tomlkit.dumps(document)


def _faults(output: Path) -> list[Fault]:
    """What is still to be done before the file can be used, such as variables to be set."""
    try:
        return examine(output, environment(output.parent, os.environ))[1]
    except ConfigError as error:
        return list(error.faults)
