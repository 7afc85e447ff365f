"""The command `tornado-router`."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from peewee import DatabaseError

from tornado_router import __version__, accounts, log, scaffold
from tornado_router.app import (
    Deployment,
    RouterApplication,
    Server,
    read_deployment,
    run_until_stopped,
)
from tornado_router.config import Config, environment, load
from tornado_router.db import ApiKey, SchemaError, Storage, User
from tornado_router.errors import ConfigError
from tornado_router.keys import create_key as make_key
from tornado_router.plugins import Plugins, load_plugins
from tornado_router.process_lock import LockedError
from tornado_router.provider import Provider

config_option = click.option(
    "--config",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="router.toml",
    envvar="TORNADO_ROUTER_CONFIG",
    show_default=True,
    help="The configuration file.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tornado-router")
def main() -> None:
    """One server in front of every LLM provider, speaking the OpenAI API."""


@main.command()
@config_option
def serve(path: Path) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    deployment = _deployment(path)
    config = deployment.config
    log.setup(config.log)
    storage = _storage(config)
    _welcome(storage)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(deployment, storage))


@main.command()
@click.argument(
    "path", metavar="[FILE]", default="router.toml", type=click.Path(dir_okay=False, path_type=Path)
)
def check(path: Path) -> None:
    """Prove a configuration without serving it; list every fault."""
    deployment = _deployment(path)
    for line in _summary(deployment):
        click.echo(line)
    click.echo(f"{path}: no faults")


@main.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command("create")
@config_option
@click.option("--name", required=True, help="What the key is for, as lists and logs show it.")
@click.option("--user", "email", default=accounts.ADMIN_EMAIL, show_default=True, help="Its owner.")
def create_key(path: Path, name: str, email: str) -> None:
    """Make a key and print it; it cannot be shown again."""
    storage = _storage(_config(path))

    def create() -> str:
        accounts.create_administrator()
        user = User.get_or_none(User.email == email)
        if user is None:
            raise click.ClickException(f"there is no user '{email}'")
        return make_key(user, name)

    click.echo(storage.call(create))


@keys.command("list")
@config_option
def list_keys(path: Path) -> None:
    """List the keys: id, first characters, name, owner, state, last use."""
    storage = _storage(_config(path))
    rows = storage.call(lambda: list(ApiKey.select(ApiKey, User).join(User).order_by(ApiKey.id)))
    for row in rows:
        state = "active" if row.is_active else "revoked"
        used = f"{row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never used"
        click.echo(f"{row.id:>5}  {row.prefix}...  {row.name}  {row.user.email}  {state}  {used}")


@keys.command("revoke")
@config_option
@click.argument("key_id", metavar="ID", type=int)
def revoke_key(path: Path, key_id: int) -> None:
    """Revoke the key with an id, as `keys list` shows it."""
    storage = _storage(_config(path))
    revoke = ApiKey.update(is_active=False).where(ApiKey.id == key_id, ApiKey.is_active)
    if not storage.call(revoke.execute):
        raise click.ClickException(f"there is no active key {key_id}")
    click.echo(f"revoked key {key_id}; running servers refuse it within a moment")


@main.group(invoke_without_command=True)
@config_option
@click.pass_context
def plugins(context: click.Context, path: Path) -> None:
    """List the installed plugins: what they offer, and what is wrong with them."""
    if context.invoked_subcommand:
        return
    installed = load_plugins()
    for plugin in installed.found:
        click.echo(f"{plugin.label} (plugin API {plugin.api_version or 'not stated'})")
        click.echo(f"  state: {'broken: ' + plugin.broken if plugin.broken else 'loaded'}")
        for name, kind in sorted(plugin.types.items()):
            click.echo(f"  type {name}: {_abilities(kind)}{_conflict(installed, name)}")
    if path.exists():
        click.echo(f"{path}:")
        for line in _summary(_deployment(path)):
            click.echo(f"  {line}")


@plugins.command("new")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    help="Where its folder is made.",
)
def new_plugin(name: str, folder: Path) -> None:
    """Make the package of a provider of your own, complete with tests that pass."""
    try:
        made = scaffold.create(name, folder)
    except scaffold.ScaffoldError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"made {made}; to prove it:\n")
    click.echo(f"    cd {made}")
    click.echo("    pip install -e '.[testing]'")
    click.echo("    pytest")


def _abilities(kind: type[Provider]) -> str:
    return "; ".join(
        f"{endpoint} ({', '.join(words)})" if words else endpoint
        for endpoint, words in kind.capabilities.items()
    )


def _conflict(installed: Plugins, name: str) -> str:
    claimants = installed.conflicts.get(name)
    return f" -- NOT USED, offered by {' and by '.join(claimants)}" if claimants else ""


async def _serve(deployment: Deployment, storage: Storage) -> None:
    try:
        application = RouterApplication(deployment, storage)
    except LockedError:
        raise SystemExit(
            "another router serves this database; for several, limits have to be shared: "
            "configure [redis]"
        ) from None
    server = Server(application, deployment.config)
    options = deployment.config.server
    try:
        port = server.start()
    except OSError as error:
        await application.close()
        raise SystemExit(
            f"cannot listen on {options.host}:{options.port}: {error.strerror}"
        ) from None
    for line in _summary(deployment):
        click.echo(line)
    host = f"[{options.host}]" if ":" in options.host else options.host
    click.echo(f"Tornado Router {__version__} serves on http://{host}:{port}/v1")
    _calm_garbage_collector()
    await run_until_stopped(server)


def _calm_garbage_collector() -> None:
    """Takes some 7 % off the processor time of a request.

    What is made by now lives as long as the server, so it need not be looked at again; and what a
    request makes is mostly freed by reference counts, so cycles are looked for less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _summary(deployment: Deployment) -> list[str]:
    lines = []
    for item in deployment.providers.values():
        state = "on" if item.provider else f"off: {item.off}"
        lines.append(f"provider {item.name} ({item.common.type}): {state}")
    lines += [f"plugin {name}: broken: {why}" for name, why in deployment.plugins.broken.items()]
    return lines


def _welcome(storage: Storage) -> None:
    """Makes the first administrator, and shows its key the only time it can be seen."""

    def create() -> str | None:
        administrator = accounts.create_administrator()
        return make_key(administrator, "admin") if administrator else None

    key = storage.call(create)
    if key:
        click.echo("The database is new: an administrator was made. This API key is shown once:\n")
        click.echo(f"    {key}\n")


def _deployment(path: Path) -> Deployment:
    with _faults_shown(path):
        return read_deployment(path, os.environ)


def _config(path: Path) -> Config:
    with _faults_shown(path):
        return load(path, environment(path.parent, os.environ))


@contextmanager
def _faults_shown(path: Path) -> Iterator[None]:
    """Ends the command with every fault of a configuration, one a line."""
    try:
        yield
    except ConfigError as error:
        for fault in error.faults:
            click.echo(f"{path}: {fault}", err=True)
        count = len(error.faults)
        raise SystemExit(f"{path}: {count} fault{'s' if count > 1 else ''}") from None


def _storage(config: Config) -> Storage:
    path = config.folder / config.database.path
    try:
        return Storage(path)
    except SchemaError as error:
        raise SystemExit(f"{path}: {error}") from None
    except DatabaseError as error:
        raise SystemExit(f"{path}: cannot be opened as a database: {error}") from None


def _loop_factory() -> Any:
    """Uvloop where there is one: it takes 7 to 19 % less processor time."""
    try:
        import uvloop  # noqa: PLC0415 - not for every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
