"""Lists by tokens, as Google's are, and lists that are none."""

import asyncio

import pytest

from tornado_router.calls.passed import lists
from tornado_router.calls.passed.lists import Lists
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

    return asyncio.run(Lists(ask, set(mine), OPENAI).page(list(query))), asked


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


@pytest.mark.parametrize(
    "page",
    [
        {"object": "list", "data": [{"id": "x"}], "has_more": True},
        {"files": [{"name": "files/x"}], "nextPageToken": "0"},
    ],
)
def test_a_list_of_others_without_an_end_is_given_up(page, monkeypatch):
    monkeypatch.setattr(lists, "MOST_PAGES", 3)
    with pytest.raises(ApiError) as caught:
        listed("y", pages=[page])
    assert caught.value.code == "list_too_long"
