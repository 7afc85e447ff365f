"""What the limits ask of the ledger and of the database."""

import asyncio

from tornado_router.runtime.books import DatabaseBooks, RouterBooks

from ..ledger.books import call, open_ledger


def test_what_ends_later_is_not_written_before_it_may_be(storage, user, rows):
    ledger = open_ledger(storage)
    books = RouterBooks(storage, ledger)

    async def story():
        ledger.add(call(1))
        books.hold()
        ledger.add(call(2))
        await books.written()
        first = [row["call_id"] for row in rows()]
        books.hold()  # once more, as what was forgotten was forgotten again
        ledger.add(call(3))
        await books.written()
        second = [row["call_id"] for row in rows()]
        books.release()
        return first, second, await books.spent([f"credits:{user.id}"])

    first, second, spent = asyncio.run(story())
    ledger.close()
    assert (first, second) == (["req_1"], ["req_1", "req_2"])
    assert [row["call_id"] for row in rows()] == ["req_1", "req_2", "req_3"]
    assert list(spent) == [f"credits:{user.id}"]


def test_who_serves_no_calls_reads_alone(storage, user):
    async def story():
        books = DatabaseBooks(storage)
        books.hold()
        await books.written()
        books.release()
        return await books.spent([f"credits:{user.id}"])

    assert asyncio.run(story()) == {f"credits:{user.id}": 0}
