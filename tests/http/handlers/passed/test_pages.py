"""Lists of what a vendor keeps: a user's own alone, in right pages."""

import pytest

from tornado_router.calls.passed import lists

pytestmark = pytest.mark.gen_test


async def pages(person, query="", path="/v1/vector_stores"):
    """All pages of a list, as an SDK goes through them."""
    found, after = [], ""
    while True:
        code, page = await person.ask("GET", f"{path}?{query}{after}")
        assert code == 200, page
        ids = [item["id"] for item in page["data"]]
        assert (page["first_id"], page["last_id"]) == ((ids or [None])[0], (ids or [None])[-1])
        found.append(ids)
        if not page["has_more"]:
            return found
        after = f"&after={ids[-1]}"


async def test_pages_are_whole_and_hold_ones_own_alone(ann, bob):
    mine = []
    for number in range(7):
        for _ in range(3):
            await bob.make("/v1/vector_stores")
        mine.append(await ann.make("/v1/vector_stores", {"number": number}))
    for _ in range(130):
        await bob.make("/v1/vector_stores")
    newest = mine[::-1]
    assert await pages(ann, "limit=3") == [newest[:3], newest[3:6], newest[6:]]
    assert await pages(ann, "limit=7") == [newest]
    assert await pages(ann, "limit=2&order=asc") == [mine[:2], mine[2:4], mine[4:6], mine[6:]]
    assert await pages(ann) == [newest]
    assert sum(map(len, await pages(bob, "limit=100"))) == 151


async def test_behind_many_of_others_the_search_goes_on(ann, bob, file_vendor, monkeypatch):
    monkeypatch.setattr(lists, "MOST_PAGES", 1)
    oldest = await ann.make("/v1/vector_stores")
    for _ in range(250):
        await bob.make("/v1/vector_stores")
    newest = await ann.make("/v1/vector_stores")
    _, page = await ann.ask("GET", "/v1/vector_stores")
    assert ([it["id"] for it in page["data"]], page["has_more"]) == ([newest], True)
    after = f"/v1/vector_stores?after={newest}"
    code, body = await ann.ask("GET", after)
    assert (code, body["error"]["code"]) == (503, "list_too_long")
    code, page = await ann.ask("GET", after)
    assert ([it["id"] for it in page["data"]], page["has_more"]) == ([oldest], False)


async def test_what_lies_before_an_id_is_listed_too(ann, bob):
    made = []
    for _ in range(5):
        made.append(await ann.make("/v1/vector_stores"))
        await bob.make("/v1/vector_stores")
    newest = made[::-1]
    _, page = await ann.ask("GET", f"/v1/vector_stores?before={newest[4]}&limit=2")
    assert [item["id"] for item in page["data"]] == newest[2:4]
    assert page["has_more"]


async def test_who_has_nothing_gets_an_empty_page(ann, bob, file_vendor):
    for _ in range(250):
        await bob.make("/v1/vector_stores")
    seen = len(file_vendor.seen)
    code, page = await ann.ask("GET", "/v1/vector_stores?limit=5")
    assert (code, page["data"], page["has_more"]) == (200, [], False)
    assert page["first_id"] is page["last_id"] is None
    assert len(file_vendor.seen) == seen + 1, "nothing of ann can come"


async def test_a_filter_of_the_vendors_holds(ann, bob):
    for _ in range(3):
        await ann.upload()
    _, page = await ann.ask("GET", "/v1/files?purpose=user_data&limit=2")
    assert (len(page["data"]), page["has_more"]) == (2, True)
    _, page = await ann.ask("GET", "/v1/files?purpose=batch")
    assert (page["data"], page["has_more"]) == ([], False)
    assert (await bob.ask("GET", "/v1/files"))[1]["data"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=99999999", "limit=-1"])
async def test_a_limit_that_is_none_is_refused(ann, query):
    code, body = await ann.ask("GET", f"/v1/files?{query}")
    assert (code, body["error"]["param"]) == (400, "limit")


async def test_one_may_not_begin_behind_what_is_anothers(ann, bob):
    await ann.make("/v1/vector_stores")
    theirs = await bob.make("/v1/vector_stores")
    for name in ("after", "before"):
        code, body = await ann.ask("GET", f"/v1/vector_stores?{name}={theirs}")
        assert (code, body["error"]["param"]) == (404, name)


async def test_anthropics_lists_are_paged_by_their_own_names(ann, bob):
    headers = {"anthropic-version": "2023-06-01"}

    async def ask(person, method, query="", body=None):
        path = "/claude/v1/messages/batches"
        return await person.ask(method, path + query, body, headers)

    made = []
    for _ in range(3):
        made.append((await ask(ann, "POST", body={"requests": []}))[1]["id"])
        await ask(bob, "POST", body={"requests": []})
    newest = made[::-1]
    _, page = await ask(ann, "GET", "?limit=2")
    assert [item["id"] for item in page["data"]] == newest[:2]
    assert page["has_more"]
    _, page = await ask(ann, "GET", f"?limit=2&after_id={newest[1]}")
    assert [item["id"] for item in page["data"]] == newest[2:]
    assert not page["has_more"]
