"""Lists by tokens, as Google's are, and lists that are none."""

import asyncio

import pytest

from tornado_router.calls.passed import lists
from tornado_router.calls.passed.lists import Lists, Places
from tornado_router.endpoints import OPENAI
from tornado_router.errors import ApiError

PAGES = [
    {"files": [{"name": "files/a"}, {"name": "files/b"}], "nextPageToken": "1"},
    {"files": [{"name": "files/c"}], "nextPageToken": "2"},
    {"files": [{"name": "files/d"}, {"name": "files/e"}], "nextPageToken": "3"},
    {"files": [{"name": "files/f"}]},
]


def listed(mine, query=(), pages=PAGES):
    asked = []

    async def ask(query):
        asked.append(dict(query))
        return pages[int(dict(query).get("pageToken", 0))]

    lists = Lists(ask, set(mine), OPENAI, Places(), "files")
    return asyncio.run(lists.page(list(query))), asked


def names(page):
    return [item["name"] for item in page["files"]]


def test_a_page_has_ones_own_and_leads_on():
    page, asked = listed("bd", [("pageSize", "2")])
    assert (names(page), page["nextPageToken"]) == (["files/b"], "1")
    page, asked = listed("bd", [("pageSize", "2"), ("pageToken", "1")])
    assert (names(page), page["nextPageToken"]) == (["files/d"], "3")
    assert [it.get("pageToken") for it in asked] == ["1", "2"]
    page, _ = listed("bd", [("pageToken", "3")])
    assert page == {"files": []}


def test_who_has_nothing_gets_nothing_and_no_token():
    page, asked = listed("", [("pageSize", "2")])
    assert (page, len(asked)) == ({"files": []}, 1)


def test_such_a_list_is_known_by_its_first_page():
    page, _ = listed("f")
    assert page == {"files": [{"name": "files/f"}]}


@pytest.mark.parametrize(
    "page", [{"id": "x", "secret": {"a": 1}}, {"data": {"id": "x"}}, {"files": {"a": {}}}]
)
def test_what_is_no_list_is_not_shown(page):
    with pytest.raises(ApiError) as caught:
        listed("x", pages=[page])
    assert caught.value.code == "bad_provider_answer"


def test_a_list_of_tokens_with_others_alone_leads_on(monkeypatch):
    monkeypatch.setattr(lists, "MOST_PAGES", 3)
    page, asked = listed("f")
    assert page == {"files": [], "nextPageToken": "3"}
    assert len(asked) == 3


class Account:
    """Whose list of things is asked for page by page, as an SDK does."""

    def __init__(self, monkeypatch, *, items, mine):
        monkeypatch.setattr(lists, "MOST_PAGES", 3)
        self.items, self.mine, self.places, self.asked = items, set(mine), Places(), 0

    async def _ask(self, query):
        self.asked += 1
        asked = dict(query)
        ids, limit = self.items[::-1] if "before" in asked else self.items, int(asked["limit"])
        cursor = asked.get("before") or asked.get("after")
        at = ids.index(cursor) + 1 if cursor else 0
        data = ids[at : at + limit]
        data = data[::-1] if "before" in asked else data
        more = at + limit < len(ids)
        return {"object": "list", "data": [{"id": it} for it in data], "has_more": more}

    def page(self, **query):
        asked = [(name, str(value)) for name, value in query.items()]
        made = Lists(self._ask, self.mine, OPENAI, self.places, "files")
        return asyncio.run(made.page(asked))

    def all(self, end, **query):
        """All ids, and how many requests of pages were tried anew."""
        found, tries = [], 0
        while True:
            try:
                page = self.page(**query)
            except ApiError as error:
                if (error.code, error.headers["Retry-After"]) != ("list_too_long", "1"):
                    raise
                tries += 1
                continue
            ids = [item["id"] for item in page["data"]]
            found += ids
            if not page["has_more"]:
                return found, tries
            query[end] = ids[-1 if end == "after" else 0]


OTHERS = [f"other-{number}" for number in range(1500)]


def test_all_is_found_behind_a_thousand_of_others(monkeypatch):
    items = ["a", "b", *OTHERS[:700], "c", *OTHERS[700:1400], "d", *OTHERS[1400:]]
    account = Account(monkeypatch, items=items, mine="abcd")
    assert account.all("after", limit=1) == (list("abcd"), 2)
    assert account.asked < 30
    account = Account(monkeypatch, items=items[::-1], mine="abcd")
    assert account.all("before", limit=1, before="a") == (list("bcd"), 2)


def test_who_has_all_is_not_searched_for_more(monkeypatch):
    account = Account(monkeypatch, items=["a", "b", "c", *OTHERS], mine="abc")
    assert account.all("after", limit=1) == (list("abc"), 0)
    assert account.asked == 3


def test_what_was_made_meanwhile_is_found(monkeypatch):
    account = Account(monkeypatch, items=[*OTHERS, "a"], mine="a")
    with pytest.raises(ApiError):
        account.page()
    account.items, account.mine = ["b", *account.items], {"a", "b"}
    assert account.all("after", limit=1)[0] == ["b", "a"]


def test_a_place_that_is_not_there_any_more_is_forgotten(monkeypatch):
    account = Account(monkeypatch, items=[*OTHERS, "a"], mine="a")
    with pytest.raises(ApiError):
        account.page()
    account.items = [*OTHERS[400:], "a"]
    with pytest.raises(ValueError, match="not in list"):
        account.page()
    assert account.all("after")[0] == ["a"]


@pytest.mark.parametrize(("places", "ids"), [(2, 100), (100, 6)])
def test_places_are_bounded(monkeypatch, places, ids):
    monkeypatch.setattr(lists, "MOST_PLACES", places)
    monkeypatch.setattr(lists, "MOST_IDS", ids)
    kept = Places()
    for key in "abbcc":
        kept.keep(key, lists.Place(key, frozenset("pqr")))
    assert [kept.take(key) is not None for key in "abc"] == [False, True, True]
    kept.keep("d", lists.Place("d", frozenset(map(str, range(101)))))
    assert (kept.take("d") is None) == (ids < 101)
