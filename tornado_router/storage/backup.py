"""Backups of an SQLite database: made while a router serves, and put back when none does."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from tornado_router.errors import RouterError
from tornado_router.storage.private_files import make_file, make_folder

_BESIDE = ("-wal", "-shm")
"""What SQLite has beside a database that is in use: without these files, it lacks the latest."""


class BackupError(RouterError):
    """A backup cannot be made or used; the database is as it was."""


def backup(database: Path, target: Path) -> None:
    """Copies a database as it is at one moment, also while it is written.

    Args:
        database: the file; a router may serve it.
        target: the backup, which is one file; must not be there.

    Raises:
        BackupError: there is no database, something is where the backup belongs, or it is damaged.
        OSError: a file cannot be read or written.
    """
    if not database.exists():
        raise BackupError(f"{database}: there is no such file")
    if target.exists():
        raise BackupError(f"{target}: is there already")
    partial = target.with_name(target.name + ".partial")
    _copy(database, partial)
    os.replace(partial, target)


def restore(source: Path, database: Path, journal: Path) -> Path | None:
    """Puts a backup in the place of a database, which nothing uses.

    What the journal holds belongs to the former database, and is set aside with it.

    Args:
        source: the backup.
        database: the file that is replaced.
        journal: the folder of the journal.

    Returns:
        Where the former database is now; None if there was none.

    Raises:
        BackupError: the backup is not there, or cannot be used.
        OSError: a file cannot be read or written.
    """
    if not source.exists():
        raise BackupError(f"{source}: there is no such file")
    partial = database.with_name(database.name + ".partial")
    _copy(source, partial)
    suffix = time.strftime(".before-%Y%m%d-%H%M%S")
    aside = database.with_name(database.name + suffix) if database.exists() else None
    _set_aside_journal(journal, journal.with_name(_inserted(journal, database, suffix)))
    # First what is beside it: SQLite would take it for a part of the restored database.
    for ending in _BESIDE:
        beside = database.with_name(database.name + ending)
        if beside.exists():
            beside.rename(database.with_name(database.name + suffix + ending))
    if aside:
        try:
            aside.hardlink_to(database)  # at no moment is there none
        except OSError:
            database.rename(aside)
    os.replace(partial, database)
    _sync_folder(database.parent)
    return aside


def _copy(source: Path, target: Path) -> None:
    """A whole copy in one file, checked, that the disk has.

    Raises:
        BackupError: the source is damaged, or no database of a router.
        OSError: a file cannot be read or written.
    """
    target.unlink(missing_ok=True)
    make_file(target)
    try:
        with closing(_open(source)) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            _check(new, source)
        with target.open("rb+") as file:
            os.fsync(file.fileno())
    except sqlite3.Error as error:
        _remove(target)
        raise BackupError(f"{source}: cannot be copied as a database: {error}") from None
    except BaseException:
        _remove(target)
        raise


def _open(path: Path) -> sqlite3.Connection:
    """A connection that makes no file."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)


def _check(copy: sqlite3.Connection, source: Path) -> None:
    faults = [fault for (fault,) in copy.execute("PRAGMA quick_check(3)")]
    if faults != ["ok"]:
        raise BackupError(f"{source}: is damaged: {'; '.join(faults)}")
    tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master")}
    if "usage_logs" not in tables:
        raise BackupError(f"{source}: is not the database of a router")


def _remove(path: Path) -> None:
    for ending in ("", "-journal", *_BESIDE):
        with suppress(OSError):
            path.with_name(path.name + ending).unlink(missing_ok=True)


def _inserted(journal: Path, database: Path, suffix: str) -> str:
    """The name of the journal that belongs to the former database, at its new name."""
    rest = journal.name.removeprefix(database.name)
    return f"{database.name}{suffix}{rest}" if rest != journal.name else journal.name + suffix


def _set_aside_journal(folder: Path, aside: Path) -> None:
    """Moves what routers left there; the folder stays, as it may be a disk of its own."""
    left = sorted(folder.glob("*.journal*")) if folder.is_dir() else []
    if left:
        make_folder(aside)
    for path in left:
        shutil.move(path, aside / path.name)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
