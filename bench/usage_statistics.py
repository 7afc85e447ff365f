"""How long `GET /usage` asks a database of ten million calls, in ms.

`python bench/usage_statistics.py` builds the database once, under bench/build/ (some minutes and
5 GB), and measures each question with the functions that answer it, each on a new connection, as
the router's threads have it.
"""

from __future__ import annotations

import datetime
import statistics as stdlib_statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tornado_router.ledger import usage_queries
from tornado_router.ledger.usage_queries import Filter
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import UsageLog
from tornado_router.storage.values import now

_BUILD = Path(__file__).parent / "build"
_DATABASE = _BUILD / "usage.db"

_ROWS = 10_000_000
_DAYS = 365
_USERS = 200
_KEYS_OF_A_USER = 3
_HEAVY = 1
"""A user with a million calls a month, these last days; the others have some 4,000."""
_HEAVY_ROWS, _HEAVY_DAYS = 33_333, 33
_LIGHT = 2
_MODELS = (
    *(("fast", "openai"), ("smart", "openai"), ("claude-sonnet-4-5", "anthropic")),
    *(("gemini-2.5-pro", "google"), ("gemini-2.5-flash", "google"), ("embed", "openai")),
)
_PRICES = '{"input":"2.5","output":"10","cached_input":"1.25","cache_write":"2.5","reasoning":"10"}'

_REPEATS = 15

_DAY_OF_ROWS = """
    WITH RECURSIVE numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < :rows),
    owned AS (
        SELECT i, (i * 7919 + :day * 104729) % 1000003 AS chance,
            CASE WHEN (i * 31) % :rows < :heavy THEN 1
                 ELSE 2 + (i * 7919 + :day) % (:users - 1) END AS user_id
        FROM numbers
    )
    INSERT INTO usage_logs (call_id, request_id, user_id, api_key_id, endpoint, provider, model,
        target_model, stream, status, error_code, prompt_tokens, completion_tokens, total_tokens,
        cached_tokens, cache_write_tokens, reasoning_tokens, usage_estimated, cost, uncharged,
        from_credits, prices, duration_ms, first_chunk_ms, created_at)
    SELECT printf('req_%016x%016x', :day * 100000 + i, chance * 88172645463325252),
        printf('req_%016x%016x', :day * 100000 + i, chance * 88172645463325252),
        user_id, (user_id - 1) * :keys + 1 + chance % :keys, 'chat.completions', provider, name,
        'vendor-' || name, chance % 2, CASE WHEN chance % 97 = 0 THEN 502 ELSE 200 END,
        CASE WHEN chance % 97 = 0 THEN 'provider_error' END, 200 + chance % 1800, chance % 700,
        200 + chance % 1800 + chance % 700, chance % 100, 0, chance % 50, 0,
        (200 + chance % 1800) * 2500 + chance % 700 * 10000, 0, 1, :prices, 100 + chance % 5000,
        NULL, datetime(:start + i * :seconds / :rows, 'unixepoch')
            || printf('.%06d', chance % 1000000)
    FROM owned JOIN models ON models.id = (chance / 7) % :models
"""

_SUMS = """
    INSERT INTO usage_days (day, user_id, api_key_id, provider, model, requests, errors,
        prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost)
    SELECT DATE(created_at), user_id, api_key_id, provider, model, COUNT(*),
        SUM(CASE WHEN status >= 400 THEN 1 ELSE 0 END), SUM(prompt_tokens),
        SUM(completion_tokens), SUM(cached_tokens), SUM(reasoning_tokens), SUM(cost)
    FROM usage_logs GROUP BY user_id, DATE(created_at), api_key_id, provider, model
"""


def main() -> None:
    """Measures, and prints a table."""
    if not _DATABASE.exists():
        _build()
    storage = Storage(_DATABASE)
    try:
        print(_table(storage))
    finally:
        storage.close()


def _build() -> None:
    """Builds the database under another name, so that half of one is never measured."""
    _BUILD.mkdir(exist_ok=True)
    unfinished = _DATABASE.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    print(f"building {_DATABASE} ...", file=sys.stderr)
    storage = Storage(unfinished)
    with storage.database.connection_context():
        database = storage.database
        for pragma in ("journal_mode = off", "synchronous = off", "foreign_keys = off"):
            database.execute_sql(f"PRAGMA {pragma}")
        indexes = database.execute_sql(
            "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'usage_logs' AND type = 'index'"
        ).fetchall()
        for name, _ in indexes:
            database.execute_sql(f'DROP INDEX "{name}"')
        _add_users(database)
        with database.atomic():
            for day in range(_DAYS):
                _add_day(database, day)
        for _, sql in indexes:
            database.execute_sql(sql)
        database.execute_sql(_SUMS)
        database.execute_sql("PRAGMA journal_mode = wal")
    storage.close()
    unfinished.rename(_DATABASE)


def _add_users(database: Any) -> None:
    database.execute_sql("CREATE TEMP TABLE models (id INTEGER PRIMARY KEY, name, provider)")
    for number, (name, provider) in enumerate(_MODELS):
        database.execute_sql("INSERT INTO models VALUES (?, ?, ?)", (number, name, provider))
    for user_id in range(1, _USERS + 1):
        database.execute_sql(
            "INSERT INTO users (id, email, name, password_hash, plan, credits, is_admin, "
            "is_active, created_at, updated_at) VALUES (?, ?, '', '', 'free', 0, 0, 1, ?, ?)",
            (user_id, f"user{user_id}@example.com", now(), now()),
        )
        for number in range(_KEYS_OF_A_USER):
            key_id = (user_id - 1) * _KEYS_OF_A_USER + 1 + number
            database.execute_sql(
                "INSERT INTO api_keys (id, user_id, key_hash, prefix, name, permissions, "
                "is_active, created_at) VALUES (?, ?, ?, 'sk-tr-', ?, '{}', 1, ?)",
                (key_id, user_id, str(key_id), f"key {number}", now()),
            )


def _add_day(database: Any, day: int) -> None:
    """Adds a day's calls, in the order of time; the last day is today, and has calls until now."""
    present = time.time()
    start = int(present // 86400 - (_DAYS - 1) + day) * 86400
    heavy = _HEAVY_ROWS if day >= _DAYS - _HEAVY_DAYS else 0
    values = {
        "day": day,
        "rows": (_ROWS - _HEAVY_ROWS * _HEAVY_DAYS) // _DAYS + heavy,
        "heavy": heavy,
        "users": _USERS,
        "keys": _KEYS_OF_A_USER,
        "models": len(_MODELS),
        "prices": _PRICES,
        "start": start,
        "seconds": min(86400, int(present - start)),
    }
    database.execute_sql(_DAY_OF_ROWS, values)


def _table(storage: Storage) -> str:
    lines = ["| question | heavy user | other user | everybody |", "| --- | --- | --- | --- |"]
    last = storage.call(lambda: UsageLog.select().order_by(UsageLog.id.desc()).get().created_at)
    end = last.replace(microsecond=0) + datetime.timedelta(seconds=1)
    for name, ask in _questions(end):
        cells = [f"{_median(storage, ask, user_id):.1f}" for user_id in (_HEAVY, _LIGHT, None)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _questions(end: datetime.datetime) -> Iterator[tuple[str, Callable[[int | None], Any]]]:
    """Thirty days from noon to noon: most calls have to be added up one by one then."""
    noon = end.replace(hour=12, minute=0, second=0) - datetime.timedelta(days=1)
    first = noon - datetime.timedelta(days=30)

    def month(user_id: int | None, **more: Any) -> Filter:
        return Filter(first, noon, user_id, **more)

    until_now = end - datetime.timedelta(days=30)
    yield "totals, until now", lambda user: usage_queries.totals(Filter(until_now, end, user))
    yield "totals", lambda user: usage_queries.totals(month(user))
    for grouping in usage_queries.GROUPINGS:
        yield (
            f"totals, and groups by {grouping}",
            lambda user, by=grouping: usage_queries.groups(month(user), by),
        )
    yield "20 calls", lambda user: usage_queries.list_calls(month(user), 20)
    behind = (first + datetime.timedelta(days=2), 1)
    yield "20 calls, far behind", lambda user: usage_queries.list_calls(month(user), 20, behind)
    embed = {"model": "embed"}
    yield "20 calls of one model", lambda user: usage_queries.list_calls(month(user, **embed), 20)
    yield "1,000 calls, for CSV", lambda user: usage_queries.list_calls(month(user), 1000)


def _median(storage: Storage, ask: Callable[[int | None], Any], user_id: int | None) -> float:
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        storage.call(lambda: ask(user_id))
        times.append((time.perf_counter() - start) * 1000)
    return stdlib_statistics.median(times)


if __name__ == "__main__":
    main()
