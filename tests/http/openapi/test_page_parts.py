"""What the page's style and script do, in a real browser."""

import json
from functools import partial

import pytest

from tests.browser import Tab

pytestmark = pytest.mark.sqlite_suffices

IDS = """[...document.querySelectorAll("main [id]:not(#search, #found)")].map(it => it.id)"""
FOLLOW = """
    for (const it of document.querySelectorAll("details")) it.open = false;
    location.hash = %s;
"""
IS_SEEN = """(() => {
    const it = document.querySelector(":target"), { top } = it.getBoundingClientRect();
    const isOpen = it.closest("details:not([open])") === null;
    return isOpen && it.checkVisibility() && top >= 0 && top < innerHeight;
})()"""
SHOWN = """[...document.querySelectorAll(".entry > summary h3")]
    .filter(it => it.checkVisibility()).map(it => it.textContent)"""
OPEN = """[...document.querySelectorAll("main details[open]")].length"""
ROWS = """[...document.querySelectorAll(".entry tr")]
    .filter(it => it.checkVisibility()).map(it => it.querySelector("th").textContent)"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def tab(browser_address, http_server):
    return partial(Tab.open, browser_address)


@pytest.fixture
def docs(base_url):
    return f"{base_url}/docs"


def some_of_each_kind(ids):
    """The first, the middle and the last of those that begin alike: the page is long to lay out."""
    kinds = {}
    for anchor in ids:
        kinds.setdefault(anchor.partition("-")[0], []).append(anchor)
    return {kind[at] for kind in kinds.values() for at in (0, len(kind) // 2, -1)}


async def search(page, words):
    await page.evaluate("document.getElementById('search').select()")
    await page.type(words)


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.gen_test(timeout=240)
async def test_anchors_are_reached(tab, docs, script):
    page = await tab(script=script)
    await page.go(docs)
    ids = await page.evaluate(IDS)
    assert len(ids) > 150
    for anchor in some_of_each_kind(ids):
        await page.evaluate(FOLLOW % json.dumps(anchor))
        assert await page.evaluate(IS_SEEN), anchor


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.gen_test(timeout=240)
async def test_a_link_from_elsewhere_opens_what_it_leads_to(tab, docs, script):
    page = await tab(script=script)
    await page.go(f"{docs}#schema-Error")
    assert await page.evaluate(IS_SEEN)


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.gen_test(timeout=240)
async def test_it_is_short_and_never_wider_than_the_screen(tab, docs, width, dark):
    page = await tab(width=width, dark=dark)
    await page.go(docs)
    assert await page.evaluate("document.documentElement.scrollHeight") < 10 * 844
    await page.evaluate("for (const it of document.querySelectorAll('details')) it.open = true")
    assert await page.evaluate("document.documentElement.scrollHeight") > 50 * 844
    assert await page.evaluate(OVERFLOW) == 0
    colour = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(13, 17, 23)") is dark
    assert page.faults == []


@pytest.mark.gen_test(timeout=240)
async def test_without_script_there_is_no_box(tab, docs):
    page = await tab(script=False)
    await page.go(docs)
    assert not await page.evaluate("document.getElementById('search').checkVisibility()")
    assert len(await page.evaluate(SHOWN)) > 30


@pytest.mark.gen_test(timeout=240)
async def test_words_find_operations(tab, docs):
    page = await tab()
    await page.go(docs)
    await search(page, "rotate SECRET")
    assert await page.evaluate(SHOWN) == ["post /api-keys/{id}/rotate"]
    assert await page.evaluate(ROWS) == [], "who looks for an operation is shown where it is"


@pytest.mark.gen_test(timeout=240)
async def test_words_find_fields_where_they_are(tab, docs):
    page = await tab()
    await page.go(docs)
    await search(page, "top_logprobs")
    assert "ChatCompletionsRequest" in await page.evaluate(SHOWN)
    assert "top_logprobs" in await page.evaluate(ROWS)
    assert all("logprobs" in it for it in await page.evaluate(ROWS))
    await search(page, "budget exhausted")
    assert await page.evaluate(SHOWN) == [], "each operation has the responses that most have"
    await search(page, "x-ratelimit")
    assert "x-ratelimit-limit-requests" in str(await page.evaluate(ROWS)).lower()


@pytest.mark.gen_test(timeout=240)
async def test_it_says_how_much_was_found(tab, docs):
    page = await tab()
    await page.go(docs)
    await search(page, "grace_seconds")
    assert await page.evaluate("document.getElementById('found').textContent") != ""
    await search(page, "no such thing")
    assert await page.evaluate(SHOWN) == []
    assert await page.evaluate("document.getElementById('found').textContent") == "Nothing found."


@pytest.mark.gen_test(timeout=240)
async def test_behind_a_search_the_page_is_as_it_was(tab, docs):
    page = await tab()
    await page.go(f"{docs}#post_auth_login")
    before = [await page.evaluate(it) for it in (SHOWN, ROWS, OPEN)]
    await search(page, "top_logprobs")
    await page.evaluate("document.getElementById('search').select()")
    await page.ask("Input.dispatchKeyEvent", type="keyDown", key="Backspace", code="Backspace")
    await page.evaluate("document.execCommand('delete')")
    assert [await page.evaluate(it) for it in (SHOWN, ROWS, OPEN)] == before


@pytest.mark.gen_test(timeout=240)
async def test_a_link_leads_to_what_a_search_has_hidden(tab, docs):
    page = await tab()
    await page.go(docs)
    await search(page, "rotate")
    await page.click('nav a[href="#schemas"]')
    assert await page.evaluate("document.getElementById('schemas').checkVisibility()")
    assert len(await page.evaluate(SHOWN)) > 30


@pytest.mark.gen_test(timeout=240)
async def test_a_slash_leads_to_the_box(tab, docs):
    page = await tab()
    await page.go(docs)
    await page.ask("Input.dispatchKeyEvent", type="keyDown", key="/", text="/")
    await page.type("rotate")
    assert await page.evaluate("document.getElementById('search').value") == "rotate"
