"""Backups of a file: whole while it is written, and put back without anything of what was there."""

import random
import sqlite3
import threading
from contextlib import closing

import pytest

from tornado_router.storage import backup as module
from tornado_router.storage.backup import BackupError, backup, restore
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import User

pytestmark = pytest.mark.sqlite


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "data" / "router.db"
    Storage(path).close()
    add(path, "first@example.com")
    return path


@pytest.fixture
def journal(database):
    return database.with_name("router.db.journal")


def add(path, *emails):
    with closing(sqlite3.connect(path)) as connection:
        for email in emails:
            values = ("email", "name", "password_hash", "created_at", "updated_at")
            connection.execute(
                f"INSERT INTO users ({', '.join(values)}) VALUES (?, '', '!', '2026', '2026')",
                (email,),
            )
            connection.commit()


def emails(path):
    with closing(sqlite3.connect(path)) as connection:
        return [email for (email,) in connection.execute("SELECT email FROM users ORDER BY id")]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_backup_is_one_file_of_its_users_own(database, tmp_path):
    backup(database, tmp_path / "backup.db")
    assert emails(tmp_path / "backup.db") == ["first@example.com"]
    assert names(tmp_path) == ["backup.db", "data"]
    assert (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600


def test_what_is_still_in_the_log_beside_the_file_is_in_it(database, tmp_path):
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("SELECT * FROM users")  # keeps others from folding it in
        add(database, "second@example.com")
        assert database.with_name("router.db-wal").stat().st_size
        backup(database, tmp_path / "backup.db")
    assert emails(tmp_path / "backup.db") == ["first@example.com", "second@example.com"]


def test_a_backup_that_is_made_while_rows_are_written_is_of_one_moment(database, tmp_path):
    written = threading.Event()
    stop = threading.Event()

    def write():
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                with connection:  # two rows at once, or none
                    for half in "ab":
                        connection.execute(
                            "INSERT INTO users (email, name, password_hash, created_at, updated_at)"
                            " VALUES (?, ?, '!', '2026', '2026')",
                            (f"{number}{half}@example.com", "x" * 2000),
                        )
                written.set()

    thread = threading.Thread(target=write)
    thread.start()
    written.wait()
    try:
        for number in range(10):
            backup(database, tmp_path / f"{number}.db")
    finally:
        stop.set()
        thread.join()
    counts = [len(emails(tmp_path / f"{number}.db")) for number in range(10)]
    assert counts == sorted(counts)
    assert [count % 2 for count in counts] == [1] * 10


def test_a_restored_database_has_nothing_of_the_one_before(database, journal, tmp_path):
    backup(database, tmp_path / "backup.db")
    journal.mkdir()
    (journal / "1-a-1.journal").write_text("a call")
    (journal / "1-b-1.journal.damaged").write_text("half a call")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("SELECT * FROM users").fetchall()
        add(database, "later@example.com")
        left = {ending: database.with_name(f"router.db{ending}") for ending in ("-wal", "-shm")}
        kept = {ending: path.read_bytes() for ending, path in left.items()}
    for ending, path in left.items():
        path.write_bytes(kept[ending])  # as a router leaves them that was killed
    aside = restore(tmp_path / "backup.db", database, journal)
    assert emails(database) == ["first@example.com"]
    assert names(journal) == []
    assert emails(aside) == ["first@example.com", "later@example.com"]
    assert aside.parent == database.parent
    former = aside.with_name(aside.name + ".journal")
    assert names(former) == ["1-a-1.journal", "1-b-1.journal.damaged"]
    assert emails(tmp_path / "backup.db") == ["first@example.com"]
    assert database.stat().st_mode & 0o777 == 0o600


def test_a_journal_elsewhere_is_set_aside_beside_itself(database, tmp_path):
    backup(database, tmp_path / "backup.db")
    journal = tmp_path / "usage"
    journal.mkdir()
    (journal / "1-a-1.journal").write_text("a call")
    restore(tmp_path / "backup.db", database, journal)
    assert names(journal) == []
    (aside,) = [path for path in tmp_path.iterdir() if path.name.startswith("usage.before-")]
    assert names(aside) == ["1-a-1.journal"]


def test_where_nothing_was(tmp_path, database, journal):
    backup(database, tmp_path / "backup.db")
    other = tmp_path / "other" / "router.db"
    assert restore(tmp_path / "backup.db", other, other.with_name("journal")) is None
    assert emails(other) == ["first@example.com"]
    assert names(other.parent) == ["router.db"]


def test_a_file_system_without_hard_links(database, journal, tmp_path, monkeypatch):
    backup(database, tmp_path / "backup.db")

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(module.Path, "hardlink_to", refuse)
    aside = restore(tmp_path / "backup.db", database, journal)
    assert emails(aside) == emails(database)


@pytest.mark.parametrize("harm", ["missing", "text", "empty", "foreign", "damaged"])
def test_what_is_no_backup_changes_nothing(database, journal, tmp_path, harm):
    source = tmp_path / "backup.db"
    if harm == "text":
        source.write_text("no database at all, but a text that is long enough" * 100)
    elif harm == "empty":
        source.touch()
    elif harm == "foreign":
        with closing(sqlite3.connect(source)) as connection:
            connection.execute("CREATE TABLE users (id INTEGER)")
    elif harm == "damaged":
        add(database, *(f"{number}@example.com" for number in range(300)))
        backup(database, source)
        data = bytearray(source.read_bytes())
        for page in range(2, len(data) // 4096):
            data[page * 4096 : page * 4096 + 200] = random.Random(page).randbytes(200)
        source.write_bytes(data)
    before = names(database.parent), emails(database)
    with pytest.raises(BackupError, match=r"backup\.db"):
        restore(source, database, journal)
    assert (names(database.parent), emails(database)) == before


def test_a_backup_never_replaces_a_file(database, tmp_path):
    (tmp_path / "backup.db").write_text("another")
    with pytest.raises(BackupError, match="is there already"):
        backup(database, tmp_path / "backup.db")
    assert (tmp_path / "backup.db").read_text() == "another"


def test_a_database_that_is_not_there(tmp_path):
    with pytest.raises(BackupError, match="there is no such file"):
        backup(tmp_path / "router.db", tmp_path / "backup.db")
    assert names(tmp_path) == []


def test_a_restored_database_is_opened_as_any_other(database, journal, tmp_path):
    backup(database, tmp_path / "backup.db")
    restore(tmp_path / "backup.db", database, journal)
    storage = Storage(database)
    assert storage.call(lambda: [user.email for user in User.select()]) == ["first@example.com"]
    storage.close()
