"""The page for people: everything of the document is on it, and it loads nothing."""

import copy
import json
import re
import shlex
from html import unescape
from html.parser import HTMLParser

import pytest

from tornado_router.calls.passed.rules import Rules
from tornado_router.config.options import PassthroughOptions
from tornado_router.http.openapi import document, page
from tornado_router.http.urls import ROUTES


class Reader(HTMLParser):
    """Collects ids, links and elements, and sees that what was opened is closed."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.tags, self.open = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        attributes = dict(attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if "href" in attributes:
            self.links.append(attributes["href"])
        assert not [name for name in attributes if name.startswith("on")]
        if tag not in ("meta", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def described():
    served = Rules(PassthroughOptions(provider="up", vendors=("claude",))).served
    return document(ROUTES, "standard", passed=served)


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
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", html.replace("</b>", ""))).split())
    for path, item in described["paths"].items():
        for method in item.keys() - {"parameters"}:
            assert f"{method} {path} {item[method]['summary']}" in text


def test_has_every_schema_and_its_fields(described, reader, html):
    for name, schema in described["components"]["schemas"].items():
        assert f"schema-{name}" in reader.ids
        for field in schema.get("properties", {}):
            assert f"<code>{field}</code>" in html


def test_objects_within_objects_are_opened(html):
    for name in ("messages[].role", "tools[].type", "response_format.type"):
        assert f"<code>{name}</code>" in html


def test_a_bound_that_bounds_nothing_is_left_out(described, html):
    assert "999999999999" in json.dumps(described)
    assert "999999999999" not in html


def test_has_every_header(described, reader):
    assert {f"header-{name.lower()}" for name in described["components"]["headers"]} <= set(
        reader.ids
    )
    assert reader.links.count("#header-retry-after") > 10
    assert reader.links.count("#header-x-request-id") == 1, "what all have is said once"


def test_examples_can_be_run(described, html):
    commands = [unescape(it) for it in re.findall(r"<pre>(curl .*?)</pre>", html, re.DOTALL)]
    operations = [op for item in described["paths"].values() for op in item.values()]
    assert len(commands) > len([op for op in operations if "responses" in op])
    words = [shlex.split(command) for command in commands]
    assert {word[0] for word in words} == {"curl"}
    chat = next(it for it in words if "$BASE_URL/v1/chat/completions" in it)
    assert "Authorization: Bearer $API_KEY" in chat
    assert json.loads(chat[chat.index("-d") + 1])["messages"]
    assert ["curl", "-X", "DELETE", "$BASE_URL/api-keys/1"] in [it[:4] for it in words]
    assert any("$BASE_URL/usage?from=2026-11-01&to=2026-12-01" in it for it in words)
    assert any("--no-buffer" in it for it in words)


def test_example_bodies_are_quoted_for_the_shell(described):
    evil = copy.deepcopy(described)
    operation = evil["paths"]["/auth/login"]["post"]
    value = {"email": "it's; rm -rf $HOME", "password": '"`x`"'}
    media = operation["requestBody"]["content"]["application/json"]
    media["examples"] = {"x": {"summary": "x", "value": value}}
    html = page(evil).decode()
    (command,) = re.findall(r"<pre>(curl [^<]*auth/login.*?)</pre>", html, re.DOTALL)
    words = shlex.split(unescape(command))
    assert json.loads(words[words.index("-d") + 1]) == value


def test_metrics_may_need_no_token(html):
    assert "Not needed if <code>public = true</code>" in html


def test_links_lead_somewhere(reader):
    inside = [link for link in reader.links if link.startswith("#")]
    assert len(inside) > 50
    assert {link.removeprefix("#") for link in inside} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))


def test_loads_nothing_and_runs_its_own_script_alone(reader):
    assert {link for link in reader.links if not link.startswith("#")} == {"/openapi.json"}
    assert not {"link", "img", "iframe", "form"} & set(reader.tags)
    assert reader.tags.count("script") == reader.tags.count("style") == 1


def test_text_is_never_taken_for_html(described):
    evil = {**described, "info": {"title": "<s>", "version": "&", "description": "<i> `<u>`"}}
    html = page(evil).decode()
    assert not re.search(r"<[siu]>", html)
    assert "<code>&lt;u&gt;</code>" in html


COMPONENTS = {"schemas": {}, "headers": {}, "securitySchemes": {}}


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
        small = {**described, "paths": {"/x": {"get": operation}}, "components": COMPONENTS}
        found = re.search(
            r'<code>x</code></th><td class="type">(.*?)</td><td>(.*?)</td>', page(small).decode()
        )
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
