"""The page for people: everything of the document is on it, and nothing on it is run."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest

from tornado_router.openapi import document, page
from tornado_router.urls import ROUTES


class Reader(HTMLParser):
    """Collects ids, links and elements, and sees that what was opened is closed."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.tags, self.open = [], [], set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if "href" in attributes:
            self.links.append(attributes["href"])
        assert not [name for name in attributes if name.startswith("on")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def described():
    return document(ROUTES, "standard")


@pytest.fixture(scope="module")
def html(described):
    return page(described).decode()


@pytest.fixture(scope="module")
def reader(html):
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def test_has_every_operation(described, html):
    text = unescape(re.sub(r"<[^>]+>", "", html))
    for path, item in described["paths"].items():
        for method in item.keys() - {"parameters"}:
            assert f"{method.upper()} {path} {item[method]['summary']}" in text


def test_has_every_schema_and_its_fields(described, reader, html):
    for name, schema in described["components"]["schemas"].items():
        assert f"schema-{name}" in reader.ids
        for field in schema.get("properties", {}):
            assert f"<code>{field}</code>" in html


def test_links_lead_somewhere(reader):
    inside = [link for link in reader.links if link.startswith("#")]
    assert len(inside) > 50
    assert {link.removeprefix("#") for link in inside} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))


def test_loads_and_runs_nothing(reader):
    assert {link for link in reader.links if not link.startswith("#")} == {"/openapi.json"}
    assert not {"script", "link", "img", "iframe", "form"} & reader.tags


def test_text_is_never_taken_for_html(described):
    evil = {**described, "info": {"title": "<b>", "version": "&", "description": "<i> `<u>`"}}
    html = page(evil).decode()
    assert not re.search(r"<[biu]>", html)
    assert "<code>&lt;u&gt;</code>" in html


def test_shows_what_a_value_may_be(described):
    def row(schema):
        operation = {
            "operationId": "get_x",
            "summary": "x",
            "tags": ["Models"],
            "security": [],
            "responses": {},
            "parameters": [{"name": "x", "in": "query", "schema": schema}],
        }
        small = {**described, "paths": {"/x": {"get": operation}}, "components": {"schemas": {}}}
        found = re.search(r"<td>query</td><td>(.*?)</td><td>(.*?)</td>", page(small).decode())
        return [re.sub(r"<[^>]+>", " ", part).strip() for part in found.groups()]

    assert row({"type": ["integer", "null"], "minimum": 1, "maximum": 9}) == [
        "integer | null",
        "at least 1; at most 9",
    ]
    assert row({"type": "string", "enum": ["a", "b"]}) == [
        "string",
        "&quot;a&quot; ,  &quot;b&quot;",
    ]
    assert row({"type": "array", "items": {"$ref": "#/components/schemas/User"}})[0] == (
        "array of  User"
    )
    assert row({})[0] == "anything"
