"""Whose the things are that vendors keep: noted once, found by their owner alone, and forgotten."""

import asyncio
import time

import pytest

from tornado_router.calls import resource_rows
from tornado_router.calls.resource_rows import Made, Owner
from tornado_router.calls.resources import Resources
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import Resource

ANN, BOB = Owner(1, 11, "openai"), Owner(2, 22, "openai")


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    yield storage
    storage.close()


def run(storage, story):
    return asyncio.run(story(Resources(storage)))


def test_a_thing_is_its_makers_alone(storage):
    async def story(resources):
        assert await resources.note(ANN, [Made("file-1", "files"), Made("vs_1", "x")]) == set()
        mine = await resources.find(1, ["file-1", "vs_1", "file-2"], "openai")
        assert (mine.own, mine.others) == ({"file-1": ["openai"], "vs_1": ["openai"]}, set())
        theirs = await resources.find(2, ["file-1", "file-2"], "openai")
        assert (theirs.own, theirs.others) == ({}, {"file-1"})
        assert await resources.ids_of(1, "openai", "files") == {"file-1"}
        assert await resources.ids_of(2, "openai", "files") == set()

    run(storage, story)


def test_who_was_first_keeps_an_id(storage):
    async def story(resources):
        await resources.note(ANN, [Made("file-1", "files")])
        assert await resources.note(ANN, [Made("file-1", "files")]) == set()
        both = [Made("file-1", "files"), Made("file-2", "files")]
        assert await resources.note(BOB, both) == {"file-1"}
        assert await resources.ids_of(1, "openai", "files") == {"file-1"}
        assert await resources.ids_of(2, "openai", "files") == {"file-2"}

    run(storage, story)


def test_two_vendors_may_have_one_id(storage):
    async def story(resources):
        await resources.note(ANN, [Made("file-1", "files")])
        await resources.note(BOB._replace(provider="azure"), [Made("file-1", "files")])
        assert (await resources.find(1, ["file-1"], "azure")).others == {"file-1"}
        found = await resources.find(1, ["file-1"])
        assert (found.own, found.others) == ({"file-1": ["openai"]}, set())

    run(storage, story)


def test_only_its_owner_has_a_thing_forgotten(storage):
    async def story(resources):
        await resources.note(ANN, [Made("file-1", "files")])
        await resources.forget(2, "openai", "file-1")
        assert await resources.ids_of(1, "openai", "files") == {"file-1"}
        await resources.forget(1, "openai", "file-1")
        assert await resources.ids_of(1, "openai", "files") == set()

    run(storage, story)


def test_many_are_noted_and_found_at_once(storage):
    async def story(resources):
        ids = [f"file-{number}" for number in range(1000)]
        await resources.note(ANN, [Made(name, "files") for name in ids])
        assert len((await resources.find(1, ids, "openai")).own) == 1000

    run(storage, story)


@pytest.mark.parametrize("odd", ["", "a\0b", "x" * 300, "a\nb"])
def test_what_no_database_could_look_for_is_not_there(storage, odd):
    async def story(resources):
        await resources.note(ANN, [Made(odd, "files")])
        assert await resources.find(1, [odd], "openai") == ({}, set())

    run(storage, story)


def test_what_vendors_have_deleted_is_forgotten(storage, monkeypatch):
    now = int(time.time())
    made = [Made("old", "files", now - 2 * 86_400), Made("new", "files", now - 60)]
    storage.call(lambda: resource_rows.insert(ANN, [*made, Made("kept", "files")]))

    async def story(resources):
        resources.tidy()  # too early
        monkeypatch.setattr("tornado_router.calls.resources.TIDY_SECONDS", 0.0)
        resources.tidy()
        while await resources.ids_of(1, "openai", "files") != {"new", "kept"}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(story(Resources(storage)), 30))
    assert storage.call(Resource.select().count) == 2
