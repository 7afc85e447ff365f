"""What the endpoints for people share: log-ins instead of keys, bodies, queries, lists."""

from typing import Annotated

import orjson
import pytest
from msgspec import UNSET, Meta, UnsetType

from tornado_router.accounts import registration
from tornado_router.accounts.keys import create_key
from tornado_router.http.handlers.management import AdminHandler, ManagementHandler
from tornado_router.http.objects.base import Object, Page, RequestBody
from tornado_router.storage.tables import User


class NewThing(RequestBody, kw_only=True):
    """A thing to make."""

    name: Annotated[str, Meta(max_length=5)]
    size: int | UnsetType | None = UNSET


class Thing(Object, kw_only=True):
    """A thing."""

    id: int


class ThingPage(Page[Thing], kw_only=True):
    """Some things, of a kind."""

    kind: str | None


class ThingHandler(ManagementHandler):
    """Takes and shows things."""

    async def get(self):
        query = self.query("limit", "after", "kind")
        limit, after = self.page(query)
        rows = [Thing(id=number) for number in range((after or 0) + 1, 8)]
        self.write_json(ThingPage.of(rows[: limit + 1], limit, kind=query.get("kind")))

    async def post(self):
        self.write_json({"body": self.read(NewThing).given(), "by": self.user.email})

    async def delete(self):
        raise KeyError("a fault")


class SecretHandler(AdminHandler):
    """For administrators."""

    async def get(self):
        self.write_json({"by": self.user.email})


@pytest.fixture
def app(app):
    services = {"services": app.services}
    routes = [("/things", ThingHandler, services), ("/top", SecretHandler, services)]
    app.application.add_handlers(".*", routes)
    return app


@pytest.fixture
def tokens(app):
    """The log-ins of an administrator and of somebody else."""

    def make():
        plans, sessions = app.services.serving.plans, app.services.accounts.sessions
        admin = registration.create_administrator()
        ann = registration.create_user(plans, "ann@example.com", actor="cli")
        return sessions.begin(admin).token, sessions.begin(ann).token

    return app.storage.call(make)


@pytest.fixture
def ask(http_client, base_url, tokens):
    async def ask(path, method="GET", body=None, authorization=..., **headers):
        if authorization is ...:
            authorization = f"Bearer {tokens[1]}"
        if authorization is not None:
            headers["Authorization"] = authorization
        if method == "POST":
            headers.setdefault("Content-Type", "application/json")
        answer = await http_client.fetch(
            base_url + path,
            method=method,
            headers=headers,
            body=orjson.dumps(body) if isinstance(body, dict) else body,
            raise_error=False,
            allow_nonstandard_methods=True,
        )
        assert answer.headers["Cache-Control"] == "no-store"
        return answer

    return ask


def error(answer):
    told = orjson.loads(answer.body)["error"]
    return answer.code, told["code"], told["param"]


class TestLogIn:
    @pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "  BEARER   {}  "])
    @pytest.mark.gen_test
    async def test_a_token_is_taken(self, ask, tokens, form):
        answer = await ask("/things", authorization=form.format(tokens[1]))
        assert answer.code == 200

    @pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer ", "Basic YTpi", "{}"])
    @pytest.mark.gen_test
    async def test_none(self, ask, tokens, given):
        answer = await ask("/things", authorization=given and given.format(tokens[1]))
        assert error(answer) == (401, None, None)
        assert "POST /auth/login" in orjson.loads(answer.body)["error"]["message"]
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        "form", ["Bearer x{}", "Bearer {}x", "Bearer x", "Bearer é", "Bearer ."]
    )
    @pytest.mark.gen_test
    async def test_a_wrong_one(self, ask, tokens, form):
        answer = await ask("/things", authorization=form.format(tokens[1]))
        assert error(answer) == (401, "invalid_token", None)
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.gen_test
    async def test_an_api_key_is_not_enough(self, ask, tokens, app):
        key = app.storage.call(lambda: create_key(User.get_by_id(1), "leaked"))
        answer = await ask("/things", authorization=f"Bearer {key}")
        assert error(answer) == (401, "token_required", None)
        assert key.encode() not in answer.body

    @pytest.mark.gen_test
    async def test_a_token_is_no_api_key(self, http_client, base_url, tokens):
        answer = await http_client.fetch(
            f"{base_url}/v1/models",
            headers={"Authorization": f"Bearer {tokens[0]}"},
            raise_error=False,
        )
        assert error(answer) == (401, "invalid_api_key", None)

    @pytest.mark.gen_test
    async def test_only_administrators(self, ask, tokens):
        assert error(await ask("/top")) == (403, "admin_required", None)
        assert error(await ask("/top", authorization=None))[0] == 401
        answer = await ask("/top", authorization=f"Bearer {tokens[0]}")
        assert orjson.loads(answer.body) == {"by": "admin@localhost"}

    @pytest.mark.gen_test
    async def test_who_is_none_any_more_is_refused_at_once(self, ask, tokens, app):
        top = f"Bearer {tokens[0]}"
        app.storage.call(User.update(is_admin=False).where(User.id == 1).execute)
        assert error(await ask("/top", authorization=top)) == (403, "admin_required", None)
        app.storage.call(User.update(is_active=False).where(User.id == 1).execute)
        assert error(await ask("/top", authorization=top)) == (401, "invalid_token", None)


class TestAnswers:
    @pytest.mark.gen_test
    async def test_a_method_that_there_is_not(self, ask):
        for method in ("PUT", "PATCH", "HEAD", "OPTIONS"):
            answer = await ask("/things", method, body=b"{}")
            assert answer.code == 405
            assert answer.headers["Allow"] == "GET, POST, DELETE"

    @pytest.mark.gen_test
    async def test_a_fault_tells_nothing(self, ask):
        answer = await ask("/things", "DELETE")
        assert answer.code == 500
        assert b"a fault" not in answer.body


class TestBody:
    @pytest.mark.parametrize(
        "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
    )
    @pytest.mark.gen_test
    async def test_is_read(self, ask, content_type):
        body = {"name": "é", "size": None}
        answer = await ask("/things", "POST", body, **{"Content-Type": content_type})
        assert orjson.loads(answer.body) == {"body": body, "by": "ann@example.com"}

    @pytest.mark.parametrize(
        ("body", "code", "param"),
        [
            (b"", "invalid_json", None),
            (b"{", "invalid_json", None),
            (b"name=x", "invalid_json", None),
            (b"\xff", "invalid_json", None),
            (b'{"name": "\\ud800"}', "invalid_json", None),
            (b'{"name": "a", "name": "b"}', "duplicate_key", None),
            (b"[]", "invalid_type", None),
            (b"null", "invalid_type", None),
            (b"{}", "missing_required_parameter", "name"),
            (b'{"name": 5}', "invalid_type", "name"),
            (b'{"name": null}', "invalid_type", "name"),
            (b'{"name": {"$gt": ""}}', "invalid_type", "name"),
            (b'{"name": "longer"}', "string_above_max_length", "name"),
            (b'{"name": "a", "is_admin": true}', "unknown_parameter", "is_admin"),
            (b'{"name": "a", "credits": 1e9}', "unknown_parameter", "credits"),
            (b'{"name": "a", "Name": "b"}', "unknown_parameter", "Name"),
            (b'{"name": "a", "": 1}', "unknown_parameter", ""),
            (b'{"name": "a", "__proto__": {}}', "unknown_parameter", "__proto__"),
        ],
    )
    @pytest.mark.gen_test
    async def test_is_refused(self, ask, body, code, param):
        assert error(await ask("/things", "POST", body)) == (400, code, param)

    @pytest.mark.gen_test
    async def test_a_message_quotes_no_long_name(self, ask):
        answer = await ask("/things", "POST", {"name": "a", "k" * 50_000: 1})
        assert error(answer) == (400, "unknown_parameter", "k" * 64 + "...")
        assert len(answer.body) < 400

    @pytest.mark.parametrize(
        "content_type",
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "x"],
    )
    @pytest.mark.gen_test
    async def test_is_said_to_be_something_else(self, ask, content_type):
        answer = await ask("/things", "POST", {"name": "a"}, **{"Content-Type": content_type})
        assert error(answer) == (415, "unsupported_content_type", None)


class TestLists:
    @pytest.mark.gen_test
    async def test_a_page_tells_where_the_next_begins(self, ask):
        first = orjson.loads((await ask("/things?limit=4")).body)
        assert first == {
            "object": "list",
            "data": [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}],
            "has_more": True,
            "next": 4,
            "kind": None,
        }
        last = orjson.loads((await ask("/things?limit=4&after=4&kind=x")).body)
        assert [row["id"] for row in last["data"]] == [5, 6, 7]
        assert (last["has_more"], last["next"], last["kind"]) == (False, None, "x")

    @pytest.mark.gen_test
    async def test_a_page_is_exactly_full(self, ask):
        page = orjson.loads((await ask("/things?limit=7")).body)
        assert (len(page["data"]), page["has_more"], page["next"]) == (7, False, None)

    @pytest.mark.gen_test
    async def test_nothing_is_left(self, ask):
        page = orjson.loads((await ask("/things?after=7&limit=")).body)
        assert (page["data"], page["has_more"], page["next"]) == ([], False, None)

    @pytest.mark.parametrize(
        ("query", "code", "param"),
        [
            ("limit=0", "invalid_value", "limit"),
            ("limit=101", "invalid_value", "limit"),
            ("limit=-1", "invalid_value", "limit"),
            ("limit=1.5", "invalid_value", "limit"),
            ("limit=%D9%A3", "invalid_value", "limit"),
            ("limit=1&limit=2", "invalid_value", "limit"),
            ("limit=" + "9" * 5000, "invalid_value", "limit"),
            ("after=x", "invalid_value", "after"),
            ("after=1'--", "invalid_value", "after"),
            ("after=" + "9" * 16, "invalid_value", "after"),
            ("Limit=1", "unknown_parameter", "Limit"),
            ("x%0d%0aSet-Cookie:a=1", "unknown_parameter", "x\r\nSet-Cookie:a"),
            ("k" * 100 + "=1", "unknown_parameter", "k" * 64),
        ],
    )
    @pytest.mark.gen_test
    async def test_a_wrong_query(self, ask, query, code, param):
        answer = await ask(f"/things?{query}")
        assert error(answer) == (400, code, param)
        assert "Set-Cookie" not in answer.headers
