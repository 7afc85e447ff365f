"""Peewee's parts behind its documented interface are still there, and still called when they were.

If one of these fails after an upgrade of Peewee, look at storage/peewee_private.py.
"""

import ast
import inspect
import threading

import peewee
import psycopg
import pytest

from tornado_router.storage.peewee_private import ParallelPostgres, sql_state

from ..place import Place
from ..postgres import own_postgres


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("_connect", ["self"]),
        ("_close", ["self", "conn"]),
        ("connect", ["self", "reuse_if_open"]),
        ("is_closed", ["self"]),
    ],
)
def test_methods_that_are_overridden_or_called(method, parameters):
    assert (
        list(inspect.signature(getattr(peewee.PostgresqlDatabase, method)).parameters) == parameters
    )


def test_the_drivers_exceptions_become_peewees():
    with pytest.raises(peewee.OperationalError), peewee.__exception_wrapper__:
        raise psycopg.OperationalError("away")


def test_what_the_driver_is_given_by():
    """`load_driver` sets what Peewee's own import of the driver does, and nothing is left out."""
    names = set()
    for node in ast.walk(ast.parse(inspect.getsource(peewee))):
        if isinstance(node, ast.Try):
            imports = [each for each in node.body if isinstance(each, ast.Import | ast.ImportFrom)]
            found = {alias.asname or alias.name for each in imports for alias in each.names}
            names |= found if "psycopg" in found else set()
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "psycopg is not None":
            names |= {ast.unparse(each.targets[0]) for each in node.body}
    assert names == {
        *("psycopg", "TransactionStatus", "Json_pg3", "Jsonb_pg3"),
        *("txn_idle", "txn_inerror", "txn_unknown"),
    }


class Recording(ParallelPostgres):
    """Notes when it connects, and lets connections wait for each other."""

    def __init__(self, url, barrier=None):
        self.made, self.closed = [], []
        self._barrier = barrier
        super().__init__(url, autoconnect=False, prefer_psycopg3=True)

    def open_connection(self):
        if self._barrier:
            self._barrier.wait(30)
        self.made.append(super().open_connection())
        return self.made[-1]

    def close_connection(self, connection):
        self.closed.append(connection)
        super().close_connection(connection)


@pytest.fixture(scope="module")
def url():
    with own_postgres() as server:
        yield server.url


def test_each_connection_is_made_and_closed_once(url):
    database = Recording(url)
    assert database.connect()
    assert not database.connect(reuse_if_open=True)
    assert database.execute_sql("SELECT 1").fetchone() == (1,)
    database.close()
    assert database.made == database.closed
    assert database.made[0].closed


def test_threads_connect_at_the_same_time(url):
    database = Recording(url, threading.Barrier(4))
    answers = []

    def ask():
        database.connect()
        answers.append(database.execute_sql("SELECT 1").fetchone())
        database.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(1,)] * 4


def test_the_state_of_an_error_is_the_servers(url):
    database = Recording(url)
    database.connect()
    with pytest.raises(peewee.ProgrammingError) as raised:
        database.execute_sql("SELECT * FROM nothing")
    database.close()
    assert sql_state(raised.value) == "42P01"
    assert Place(url).ask("SELECT 1") == [(1,)]
