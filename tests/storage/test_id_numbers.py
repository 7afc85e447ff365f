"""Numbers of ids: those that were made one behind the other come so."""

import random

import pytest

from tornado_router.storage import migrator
from tornado_router.storage.databases import opened
from tornado_router.storage.id_numbers import id_number

TIMES = (0x69000000, 0x69000001, 0x6A399508)
DIGITS = random.Random(16)


def drawn(count):
    return f"{DIGITS.getrandbits(4 * count):0{count}x}"


FORMS = {
    "OpenAI's": lambda time: f"resp_{drawn(16)}00{time:08x}{drawn(24)}",
    "OpenAI's of a later turn": lambda time: f"msg_{drawn(16)}01{time:08x}{drawn(24)}",
    "OpenAI's until 2025": lambda time: f"rs_{time:08x}{drawn(40)}",
    "the router's": lambda time: f"resp_{time * 10**10:016x}{drawn(16)}",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_was_made_later_has_a_larger_number(form):
    numbers = [id_number(form(time)) for time in TIMES]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    "name", ["", "_", "é", "\ud800", "resp_-1234567", "a" * 128, "x_ffffffffff"]
)
def test_every_id_has_one_that_databases_take(name):
    assert 0 <= id_number(name) < 2**63
    assert id_number(name) == id_number(name)


def test_rows_of_an_older_version_get_theirs(empty_place):
    name = "resp_0f23d628b8934486016a3995086314819bbe0601a8ca62d55b"
    with opened(empty_place.location) as database:
        migrator.migrate(database)
        migrator.rollback(database, "0015_kept_batches")
        empty_place.ask(
            "INSERT INTO stored_responses "
            "(response_id, user_id, provider, model, created_at, expires_at, size) "
            "VALUES (?, 1, 'p', 'm', '2027-01-15 08:00:00', '2027-01-15 08:00:00', 0)",
            name,
        )
        empty_place.ask(
            "INSERT INTO stored_items (item_id, user_id, stored_id) VALUES ('msg_1', 1, 1)"
        )
        migrator.migrate(database)
    assert empty_place.ask("SELECT id_number FROM stored_responses") == [(id_number(name),)]
    assert empty_place.ask("SELECT id_number FROM stored_items") == [(id_number("msg_1"),)]
