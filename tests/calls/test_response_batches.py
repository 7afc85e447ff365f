"""Responses that are kept at the same time are written together, and one by one if need be."""

import asyncio
import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tornado_router.background.supervisor import child_task
from tornado_router.calls import response_rows
from tornado_router.calls.new_response import NewResponse
from tornado_router.calls.response_batches import ResponseBatches
from tornado_router.calls.response_rows import UserBounds, after
from tornado_router.errors import DatabaseAwayError
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import StoredItem, StoredResponse

BOUNDS = UserBounds(1000, 10**9)


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    yield storage
    storage.close()


def new(name, user_id=1, provider="p", content="{}", item_ids=()):
    expires_at = after(3600)
    return NewResponse(
        name, user_id, None, provider, "m", content, expires_at, item_ids=list(item_ids)
    )


def kept(storage):
    """What is there: responses, and items with their responses."""

    def read():
        rows = {row.id: row for row in StoredResponse.select()}
        named = {key: (row.response_id, row.user_id, row.provider) for key, row in rows.items()}
        items = [(row.item_id, row.user_id, named[row.stored_id]) for row in StoredItem.select()]
        return sorted(named.values()), sorted(items)

    return storage.call(read)


def forget(storage):
    storage.call(lambda: (StoredItem.delete().execute(), StoredResponse.delete().execute()))


def test_what_comes_while_some_are_written_is_written_together(storage, monkeypatch):
    sizes = []
    insert = response_rows.insert

    def count(responses, bounds):
        sizes.append(len(responses))
        insert(responses, bounds)

    monkeypatch.setattr(response_rows, "insert", count)

    async def story():
        batches = ResponseBatches(storage, BOUNDS)
        await batches.write(new("first"))
        assert [row[0] for row in kept(storage)[0]] == ["first"], "its client goes on at once"
        await asyncio.gather(*(batches.write(new(f"r{number}")) for number in range(30)))

    asyncio.run(story())
    assert len(kept(storage)[0]) == 31
    assert len(sizes) < 6
    assert sum(sizes) == 31


def test_one_that_the_database_refuses_fails_alone(storage):
    async def story():
        batches = ResponseBatches(storage, BOUNDS)
        bad = dataclasses.replace(new("bad"), provider=None)
        responses = [new("a"), bad, new("b")]
        return await asyncio.gather(*map(batches.write, responses), return_exceptions=True), bad

    outcomes, bad = asyncio.run(story())
    assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, False]
    assert [row[0] for row in kept(storage)[0]] == ["a", "b"]
    assert bad.id is None, "it is not there"


def test_who_does_not_wait_prevents_nothing(storage):
    async def story():
        batches = ResponseBatches(storage, BOUNDS)
        waits = [child_task("write", batches.write(new(name))) for name in ("a", "b", "c")]
        await asyncio.sleep(0)
        waits[1].cancel()
        await asyncio.wait(waits)
        await batches.write(new("d"))

    asyncio.run(story())
    assert [row[0] for row in kept(storage)[0]] == ["a", "b", "c", "d"]


def test_a_database_that_is_away_is_away_for_all_and_comes_back(storage, monkeypatch):
    insert = response_rows.insert

    def fail(*_):
        raise DatabaseAwayError(503, "It is away.")

    async def story():
        batches = ResponseBatches(storage, BOUNDS)
        monkeypatch.setattr(response_rows, "insert", fail)
        writes = [batches.write(new(name)) for name in ("a", "b")]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        monkeypatch.setattr(response_rows, "insert", insert)
        await batches.write(new("c"))
        return outcomes

    assert all(isinstance(outcome, DatabaseAwayError) for outcome in asyncio.run(story()))
    assert [row[0] for row in kept(storage)[0]] == ["c"]


NAMES = st.sampled_from("ab")
RESPONSES = st.lists(
    st.builds(
        new,
        NAMES,
        st.sampled_from([1, 2]),
        st.sampled_from("pq"),
        st.sampled_from([None, "{}"]),
        st.lists(st.sampled_from("xyz"), max_size=3),
    ),
    min_size=2,
    max_size=7,
)


@pytest.mark.sqlite_suffices
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(RESPONSES, st.integers(0, 3))
def test_together_comes_out_what_comes_out_one_by_one(storage, responses, apart):
    """Ids of vendors repeat; who has one in the end does not depend on how rows are written."""

    def write(*batches):
        forget(storage)
        for batch in batches:
            copies = [dataclasses.replace(each) for each in batch]
            storage.call(lambda copies=copies: response_rows.insert(copies, BOUNDS))
        return kept(storage)

    one_by_one = write(*([each] for each in responses))
    assert write(responses[:apart], responses[apart:]) == one_by_one


def test_what_is_too_much_of_a_user_goes_before_it_is_a_hundredth_more(storage):
    bounds = UserBounds(200, 10**9)
    batches = [[new(f"r{number}") for number in range(195)]]
    batches += [[new(f"r{number}")] for number in range(195, 210)]
    counts = []
    for batch in batches:
        storage.call(lambda batch=batch: response_rows.insert(batch, bounds))
        counts.append(len(kept(storage)[0]))
    assert 200 <= max(counts) <= 202
    assert kept(storage)[0][-1][0] == "r99", "the newest stay"
    assert "r0" not in [row[0] for row in kept(storage)[0]]
