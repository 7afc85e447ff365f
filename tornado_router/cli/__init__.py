"""The command `tornado-router`."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

from tornado_router import __version__, scaffold
from tornado_router.accounts import registration
from tornado_router.accounts.keys import create_key
from tornado_router.cli.cache_commands import cache
from tornado_router.cli.common import config_option, open_storage, read_or_exit
from tornado_router.cli.credit_commands import credits_group
from tornado_router.cli.database_commands import db
from tornado_router.cli.health_command import health
from tornado_router.cli.invite_commands import invites_group
from tornado_router.cli.key_commands import keys_group
from tornado_router.cli.plan_commands import plans_command
from tornado_router.cli.plugin_commands import OpenGroup, fault_of, plugin_commands
from tornado_router.cli.user_commands import users_group
from tornado_router.config.reader import Config
from tornado_router.http import openapi
from tornado_router.http.urls import ROUTES
from tornado_router.observability import log
from tornado_router.plugins.registry import Plugins, load_plugins
from tornado_router.provider import Provider
from tornado_router.runtime.loaded_config import LoadedConfig
from tornado_router.runtime.production_check import concerns
from tornado_router.runtime.reload import Reloader
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.runtime.server import Server, run_until_stopped
from tornado_router.runtime.supervisor import Inheritance, Supervisor, worker_command
from tornado_router.storage.process_lock import LockedError
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import User
from tornado_router.validation import PROFILES, Profile


@click.group(cls=OpenGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tornado-router")
def main() -> None:
    """One server in front of every LLM provider, speaking the OpenAI API."""


_COMMANDS = (
    *(keys_group, users_group, credits_group, invites_group, plans_command),
    *(health, db, cache),
)
for command in _COMMANDS:
    main.add_command(command)


@main.group(
    "import",
    cls=OpenGroup,
    prefix="import.",
    separate={"litellm": "tornado-llm-router-import-litellm"},
)
def import_() -> None:
    """Make a router.toml from the configuration of another gateway."""


@main.command()
@config_option
def serve(path: Path) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    loaded = read_or_exit(path)
    config = loaded.config
    log.setup(config.log)
    inheritance = Inheritance.take()
    if not inheritance:  # whose supervisor has said it
        loaded.log_plugin_faults()
    storage = open_storage(config)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        if inheritance:
            runner.run(_work(loaded, storage, inheritance))
            return
        if config.server.workers == 1:
            runner.run(_serve(loaded, storage))
            return
        sys.exit(runner.run(_supervise(loaded, storage)))


@main.command()
@click.argument(
    "path", metavar="[FILE]", default="router.toml", type=click.Path(dir_okay=False, path_type=Path)
)
@click.option("--production", is_flag=True, help="Also list what is unsafe in production.")
@click.option(
    "--accept",
    "accepted",
    metavar="PLACE",
    multiple=True,
    help="With --production: leave out the concern of this place, such as database.url, as it is "
    "known and accepted. May be given several times.",
)
def check(path: Path, production: bool, accepted: tuple[str, ...]) -> None:
    """Check a configuration without serving it, and list every fault."""
    loaded = read_or_exit(path)
    for line in _summary(loaded):
        click.echo(line)
    found = concerns(loaded) if production else []
    unsafe = [fault for fault in found if fault.where not in accepted]
    for fault in unsafe:
        click.echo(f"{path}: {fault}", err=True)
    if unsafe:
        count = len(unsafe)
        raise SystemExit(f"{path}: no faults, but {count} concern{'s' if count > 1 else ''}")
    click.echo(f"{path}: no faults")


@main.command("openapi")
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default="standard",
    show_default=True,
    help="How strictly the router checks requests: `[validation] profile`.",
)
def print_openapi(profile: Profile) -> None:
    """Print the OpenAPI document of the HTTP API."""
    document = openapi.document(ROUTES, profile)
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))


@main.group(invoke_without_command=True)
@config_option
@click.pass_context
def plugins(context: click.Context, path: Path) -> None:
    """List the installed plugins, what they offer, and what is wrong with them."""
    if context.invoked_subcommand:
        return
    installed = load_plugins()
    for plugin in installed.found:
        click.echo(f"{plugin.label} (plugin API {plugin.api_version or 'not stated'})")
        click.echo(f"  state: {'broken: ' + plugin.broken if plugin.broken else 'loaded'}")
        for name, kind in sorted(plugin.types.items()):
            click.echo(f"  type {name}: {_abilities(kind)}{_conflict(installed, name)}")
    unusable = False
    for offer in plugin_commands():
        fault = fault_of(main, offer)
        unusable = unusable or fault is not None
        click.echo(f"{offer.label}")
        click.echo(f"  command {offer.path.replace('.', ' ')}: {fault or 'loaded'}")
    if path.exists():
        click.echo(f"{path}:")
        for line in _summary(read_or_exit(path)):
            click.echo(f"  {line}")
    if installed.broken or installed.conflicts or unusable:
        raise SystemExit(1)


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


async def _serve(loaded: LoadedConfig, storage: Storage) -> None:
    """Serves in this process alone."""
    router = _router(loaded, storage)
    server = Server(router)
    try:
        port = await server.start()
    except OSError as error:
        await router.close()
        raise _cannot_listen(loaded, error) from None
    _welcome(loaded.config, storage)
    await _run(server, router, asyncio.Event(), lambda: _announce(loaded, port))


def _router(loaded: LoadedConfig, storage: Storage) -> RouterProcess:
    try:
        return RouterProcess(loaded, storage)
    except LockedError:
        raise SystemExit(
            "another router serves this database, or it is being copied; for several, limits have "
            "to be shared: configure [redis] for each of them"
        ) from None


async def _work(loaded: LoadedConfig, storage: Storage, inheritance: Inheritance) -> None:
    """Serves as one of several workers."""
    router = _router(loaded, storage)
    server = Server(router)
    await server.start(inheritance.sockets)
    stop = asyncio.Event()
    inheritance.on_end(stop.set)
    try:
        await _run(server, router, stop, inheritance.ready)
    finally:
        inheritance.close()


async def _run(
    server: Server, router: RouterProcess, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    reloader = Reloader(router, os.environ)
    _calm_garbage_collector()
    try:
        ready()
        await run_until_stopped(server, stop)
    finally:
        reloader.close()


async def _supervise(loaded: LoadedConfig, storage: Storage) -> int:
    """Runs several workers, which open the database themselves; returns the exit status."""
    options = loaded.config.server
    try:
        supervisor = Supervisor(
            worker_command(loaded.path),
            options.workers,
            options.host,
            options.port,
            options.shutdown_seconds,
        )
    except OSError as error:
        raise _cannot_listen(loaded, error) from None
    _welcome(loaded.config, storage)
    storage.close()
    return await supervisor.run(lambda: _announce(loaded, supervisor.port))


def _cannot_listen(loaded: LoadedConfig, error: OSError) -> SystemExit:
    options = loaded.config.server
    return SystemExit(f"cannot listen on {options.host}:{options.port}: {error.strerror}")


def _announce(loaded: LoadedConfig, port: int) -> None:
    for line in _summary(loaded):
        click.echo(line)
    options = loaded.config.server
    host = f"[{options.host}]" if ":" in options.host else options.host
    if options.workers > 1:
        click.echo(f"{options.workers} workers")
    scheme = "https" if options.tls_certificate else "http"
    origin = f"{scheme}://{host}:{port}"
    click.echo(f"Tornado Router {__version__} serves on {origin}/v1")
    if options.docs:
        click.echo(f"Its API is described at {origin}/docs")


def _calm_garbage_collector() -> None:
    """Takes some 7 % off the processor time of a request.

    What is made by now lives as long as the server, so it need not be looked at again; and what a
    request makes is mostly freed by reference counts, so cycles are looked for less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _summary(loaded: LoadedConfig) -> list[str]:
    lines = []
    for item in loaded.providers.values():
        state = "on" if item.provider else f"off: {item.off}"
        lines.append(f"provider {item.name} ({item.common.type}): {state}")
    lines += [f"plugin {name}: broken: {why}" for name, why in loaded.plugins.broken.items()]
    return lines


def _welcome(config: Config, storage: Storage) -> None:
    """Sees to the first administrator of a new database.

    A key is shown the only time it can be seen, and not before the port is taken: it would be lost
    from sight if the start fails.
    """
    if not config.auth.first_admin:
        if not storage.call(User.select().exists):
            click.echo("The database is new. Make an administrator, and a key:\n")
            click.echo("    tornado-router users create --email EMAIL --admin")
            click.echo("    tornado-router keys create --name NAME --user EMAIL\n")
        return

    def create() -> str | None:
        administrator = registration.create_administrator()
        return create_key(administrator, "admin") if administrator else None

    key = storage.call(create)
    if key:
        click.echo("The database is new: an administrator was made. This API key is shown once:\n")
        click.echo(f"    {key}\n")


def _loop_factory() -> Any:
    """Uvloop where there is one: it takes 7 to 19 % less processor time."""
    try:
        import uvloop  # noqa: PLC0415 - not for every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
