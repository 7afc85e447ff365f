"""`tornado-router serve`: serves, in this process or in several workers."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click
from loguru import logger

from tornado_router import __version__
from tornado_router.accounts import registration
from tornado_router.accounts.keys import create_key
from tornado_router.cli.common import (
    config_file,
    database_faults_shown,
    open_storage,
    read_or_exit,
    summary,
)
from tornado_router.config.reader import Config
from tornado_router.observability import log
from tornado_router.observability.known_secrets import KnownSecrets
from tornado_router.runtime.config_warnings import config_warnings
from tornado_router.runtime.file_limit import raise_file_limit
from tornado_router.runtime.loaded_config import LoadedConfig
from tornado_router.runtime.pid_file import PidFileError, pid_file
from tornado_router.runtime.reload import Reloader
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.runtime.server import Server
from tornado_router.runtime.supervisor import REPLACE, Supervisor
from tornado_router.runtime.worker import Inheritance, worker_command
from tornado_router.storage.process_lock import LockedError
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import User

_NOT_REPLACED = (
    "not replaced: that is up to the process that watches several workers; one that serves alone "
    "has to be stopped and started"
)


@click.command()
@config_file
@click.option("--host", help="Address to listen on, instead of that of [server].")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="TCP port, instead of that of [server]."
)
def serve(path: Path, host: str | None, port: int | None) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    given = {"host": host, "port": port}
    loaded = read_or_exit(path, {name: value for name, value in given.items() if value is not None})
    config = loaded.config
    secrets = KnownSecrets(loaded.secrets())
    log.setup(config.log, secrets=secrets)
    inheritance = Inheritance.take()
    if not inheritance:  # whose supervisor has said it
        loaded.log_plugin_faults()
        for warning in config_warnings(loaded):
            logger.warning("{}: {}", path, warning)
    storage = open_storage(config)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        if inheritance:
            runner.run(_work(loaded, storage, secrets, inheritance))
            return
        try:
            with pid_file(config.pid_file):
                status = runner.run(_serve_or_supervise(loaded, storage, secrets))
        except PidFileError as error:
            raise SystemExit(f"server.pid_file: {error}") from None
    sys.exit(status)


async def _serve_or_supervise(loaded: LoadedConfig, storage: Storage, secrets: KnownSecrets) -> int:
    """Serves in as many processes as the file says; returns the exit status."""
    if loaded.config.server.workers > 1:
        return await _supervise(loaded, storage)
    await _serve(loaded, storage, secrets)
    return 0


async def _serve(loaded: LoadedConfig, storage: Storage, secrets: KnownSecrets) -> None:
    """Serves in this process alone."""
    router = _router(loaded, storage, secrets)
    server = Server(router)
    with _signals(router) as stop:
        try:
            port = await server.start()
        except OSError as error:
            await router.close()
            raise _cannot_listen(loaded, error) from None
        _welcome(loaded.config, storage)
        await _run(server, router, stop, lambda: _announce(loaded, port))


async def _work(
    loaded: LoadedConfig, storage: Storage, secrets: KnownSecrets, inheritance: Inheritance
) -> None:
    """Serves as one of several workers."""
    router = _router(loaded, storage, secrets)
    server = Server(router)
    with _signals(router) as stop:
        await server.start(inheritance.sockets)
        inheritance.on_end(stop.set)
        try:
            await _run(server, router, stop, inheritance.ready)
        finally:
            inheritance.close()


@contextmanager
def _signals(router: RouterProcess) -> Iterator[asyncio.Event]:
    """Sees to the signals of a process that serves.

    From before it listens: one that is stopped or reloaded while it starts does so in order.

    Yields:
        What SIGTERM and SIGINT set.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(REPLACE, logger.warning, _NOT_REPLACED)
    with closing(Reloader(router, os.environ)):
        yield stop


async def _run(
    server: Server, router: RouterProcess, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    router.services.bounds.max_connections = raise_file_limit(router.loaded.config)
    _calm_garbage_collector()
    ready()
    await stop.wait()
    await server.stop()
    logger.info("stopped")


async def _supervise(loaded: LoadedConfig, storage: Storage) -> int:
    """Runs several workers, which open the database themselves; returns the exit status."""
    options = loaded.config.server
    try:
        supervisor = Supervisor(
            worker_command(loaded.path, loaded.server),
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


def _router(loaded: LoadedConfig, storage: Storage, secrets: KnownSecrets) -> RouterProcess:
    try:
        with database_faults_shown(loaded.config.database_location):
            return RouterProcess(loaded, storage, secrets)
    except LockedError:
        raise SystemExit(
            "another router serves this database, or it is being copied; for several, limits have "
            "to be shared: configure [redis] for each of them"
        ) from None


def _cannot_listen(loaded: LoadedConfig, error: OSError) -> SystemExit:
    options = loaded.config.server
    return SystemExit(f"cannot listen on {options.host}:{options.port}: {error.strerror}")


def _announce(loaded: LoadedConfig, port: int) -> None:
    for line in summary(loaded):
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

    with database_faults_shown(config.database_location):
        key = storage.call(create)
    if key:
        click.echo("The database is new: an administrator was made. This API key is shown once:\n")
        click.echo(f"    {key}\n")


def _calm_garbage_collector() -> None:
    """Takes some 7 % off the processor time of a request.

    What is made by now lives as long as the server, so it need not be looked at again; and what a
    request makes is mostly freed by reference counts, so cycles are looked for less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _loop_factory() -> Any:
    """Uvloop where there is one: it takes 7 to 19 % less processor time."""
    try:
        import uvloop  # noqa: PLC0415 - not for every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
