"""The OpenAPI document: valid, whole, and what the server really does."""

import asyncio
import copy
import re

import jsonschema_rs
import orjson
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from tornado.web import RequestHandler

from tornado_router.accounts import registration
from tornado_router.accounts.passwords import hash_password
from tornado_router.calls.passed.rules import Rules
from tornado_router.config.options import PassthroughOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.passed import KINDS
from tornado_router.error_codes import ROWS
from tornado_router.http.openapi import document
from tornado_router.http.openapi.components import own_schemas
from tornado_router.http.openapi.operations import OPERATIONS
from tornado_router.http.openapi.operations.passed import TAG
from tornado_router.http.openapi.schemas import schema_name
from tornado_router.http.urls import ROUTES
from tornado_router.provider import Parts
from tornado_router.sse import Decoder
from tornado_router.testing.forms import form_parts, is_form
from tornado_router.validation import PROFILES, load_schema

from ...passing import BOUNDARY
from ...passing import form as file_form

PASSWORD = "correct horse 7 battery"
METHODS = ("get", "post", "put", "patch", "delete")


KEPT = Rules(PassthroughOptions(), keeps=True).served
ALL = Rules(PassthroughOptions(provider="up", vendors=("claude",))).served


@pytest.fixture(scope="module")
def described():
    return document(ROUTES, "standard", passed=KEPT)


def test_is_valid():
    validate(document(ROUTES, "standard", passed=ALL))


@pytest.mark.parametrize("profile", PROFILES)
def test_schemas_are_valid(profile):
    """The documents of other profiles differ in them alone; `validate` would take long."""
    other = document(ROUTES, profile, passed=ALL)
    for name, schema in other["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(schema), name
    assert other["paths"].keys() == document(ROUTES, "standard", passed=ALL)["paths"].keys()


def test_says_of_what_is_passed_on_which_permission_it_needs():
    passed = list(passed_operations(ALL))
    assert all(
        any(f"Needs the permission `{name}`" in it["description"] for *_, it in passed)
        for name in [*(kind.name for kind in KINDS), "passthrough"]
    )
    ids = [it["operationId"] for *_, it in operations(document(ROUTES, "standard", passed=ALL))]
    assert len(set(ids)) == len(ids)


def test_has_of_what_is_passed_on_what_the_options_say():
    options = PassthroughOptions(provider="up", paths=("GET,DELETE videos", "widgets"))
    found = [(path, method) for path, method, _ in passed_operations(Rules(options).served)]
    assert found == [
        ("/v1/videos", "get"),
        ("/v1/videos/{path}", "get"),
        ("/v1/videos/{path}", "delete"),
        ("/v1/widgets", "get"),
        ("/v1/widgets", "post"),
        ("/v1/widgets/{path}", "get"),
        ("/v1/widgets/{path}", "post"),
        ("/v1/widgets/{path}", "delete"),
    ]
    assert list(passed_operations(())) == []


def passed_operations(passed):
    for path, method, operation in operations(document(ROUTES, "standard", passed=passed)):
        if operation["tags"] == [TAG]:
            yield path, method, operation


def test_describes_every_method_of_every_route_and_no_other():
    there = {
        (route.name, method)
        for route in ROUTES
        for method in METHODS
        if getattr(route.handler, method) is not getattr(RequestHandler, method)
    }
    assert there == {(name, method) for name, methods in OPERATIONS.items() for method in methods}


def test_says_what_a_request_is_held_against(described):
    schemas = described["components"]["schemas"]
    for endpoint in ENDPOINTS:
        schema = load_schema(f"{endpoint}.request", "standard")
        described_as = schemas[schema_name(f"{endpoint}.request")]
        assert described_as["required"] == schema["required"]
        assert described_as["properties"].keys() == schema["properties"].keys()


def test_schemas_have_names_that_make_good_classes(described):
    names = described["components"]["schemas"].keys()
    assert {"ChatCompletionsRequest", "ChatCompletionsChunk", "EmbeddingsResponse"} <= names
    assert "ChatCompletionNamedToolChoiceFunction" in names
    assert not [name for name in names if not re.fullmatch(r"([A-Z][A-Za-z0-9]*)", name)]
    assert max(map(len, names)) < 80


@pytest.mark.parametrize("profile", PROFILES)
def test_schemas_mean_what_the_files_say(profile):
    """A schema with its references followed is the file's with its own followed."""
    schemas = document(ROUTES, profile)["components"]["schemas"]
    files = {f"{endpoint}.request": profile for endpoint in ENDPOINTS}
    files |= {"chat.completions.response": "open", "chat.completions.chunk": "open"}
    for file, its_profile in files.items():
        schema = load_schema(file, its_profile)
        definitions = schema.pop("$defs", {})
        del schema["$schema"], schema["$id"]
        followed = follow(schemas[schema_name(file)], schemas)
        assert followed == follow(schema, definitions)


def follow(value, schemas):
    if isinstance(value, list):
        return [follow(item, schemas) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return follow(schemas[value["$ref"].rpartition("/")[2]], schemas)
    return {key: follow(item, schemas) for key, item in value.items()}


def test_every_reference_leads_somewhere(described):
    references = set(re.findall(r'"\$ref":"#/([^"]+)"', orjson.dumps(described).decode()))
    assert len(references) > 50
    for reference in references:
        place = described
        for step in reference.split("/"):
            place = place[step]


def test_follows_the_profile():
    models = [
        document(ROUTES, profile)["components"]["schemas"]["ChatCompletionsRequest"]
        for profile in PROFILES
    ]
    assert len({orjson.dumps(model) for model in models}) == len(PROFILES)


def test_says_who_may_ask(described):
    security = {
        path: {method: item[method]["security"] for method in METHODS if method in item}
        for path, item in described["paths"].items()
    }
    assert security["/v1/chat/completions"]["post"] == [{"apiKey": []}]
    assert security["/api-keys"]["post"] == [{"session": []}]
    assert security["/auth/login"]["post"] == []
    assert security["/metrics"]["get"] == [{"metricsToken": []}, {}]


def test_tells_what_may_come_of_a_call(described):
    responses = described["paths"]["/v1/chat/completions"]["post"]["responses"]
    assert {
        "200",
        "400",
        "401",
        "403",
        "404",
        "429",
        "4XX",
        "502",
        "503",
        "504",
    } <= responses.keys()
    assert "402" not in responses  # of a vendor, it is a 503: the router's own account is empty


def test_tells_errors_in_the_dialect_of_the_endpoint(described):
    responses = described["paths"]["/v1/messages"]["post"]["responses"]
    assert {"400", "402", "413", "429", "504", "529"} < responses.keys()
    assert "503" not in responses
    name = responses["402"]["$ref"].rpartition("/")[2]
    content = described["components"]["responses"][name]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/AnthropicError"}
    example = content["examples"]["insufficient_quota"]["value"]
    assert example["error"]["type"] == "billing_error"


def test_says_that_a_description_may_be_kept(described):
    for path in ("/openapi.json", "/docs"):
        operation = described["paths"][path]["get"]
        assert {"$ref": "#/components/parameters/If-None-Match"} in operation["parameters"]
        assert operation["responses"].keys() >= {"200", "304", "404"}


def test_shows_every_error_of_the_table_under_its_status(described):
    components = {"components": described["components"]}
    shown = set()
    for response in described["components"]["responses"].values():
        content = response.get("content", {}).get("application/json", {})
        for name, example in content.get("examples", {}).items():
            Draft202012Validator({**content["schema"], **components}).validate(example["value"])
            if content["schema"] == {"$ref": "#/components/schemas/Error"}:
                shown.add((name, example["value"]["error"]["code"]))
    # a wrong method is not an operation, and who has left gets no response
    assert shown == {(row.name, row.code) for row in ROWS if row.status not in (405, 499)}


def test_every_tag_is_explained(described):
    assert all(tag["description"] for tag in described["tags"])
    used = {tag for _, _, operation in operations(described) for tag in operation["tags"]}
    assert used == {tag["name"] for tag in described["tags"]}


def test_every_operation_with_a_body_has_an_example_that_is_valid(described):
    components = {"components": described["components"]}
    for path, method, operation in operations(described):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = {**content["schema"], **components}
            if not follow(content["schema"], described["components"]["schemas"])["properties"]:
                continue  # nothing can be said in it
            assert content["examples"], (path, method)
            for example in content["examples"].values():
                Draft202012Validator(schema).validate(example["value"])


def operations(described):
    for path, item in described["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


# What the server answers


@pytest.fixture
def app_files():
    return {
        "router.toml": """
        [auth]
        bcrypt_rounds = 4
        registration = "open"
        default_plan = "free"
        [metrics]
        public = true
        [batches]
        by_router = true
        [request_log]
        calls = "all"
        [plans.free]
        credits = 1
        rpm = 5
        models = ["echo"]
        [providers.echo]
        type = "echo"
        models = ["echo"]
        [prices."echo/*"]
        input = 1
        output = 1
        """
    }


@pytest.fixture
def root(app):
    """The token of an administrator."""

    def make():
        user = registration.create_user(
            app.services.serving.plans,
            "root@example.com",
            actor="test",
            password_hash=hash_password(PASSWORD, 4),
            is_admin=True,
        )
        return app.services.accounts.sessions.begin(user).token

    return app.storage.call(make)


STORY = [
    ("post", "/auth/register", {"email": "ada@example.com", "password": PASSWORD}),
    ("post", "/auth/login", {"email": "root@example.com", "password": PASSWORD}),
    ("get", "/auth/profile", None),
    ("patch", "/auth/profile", {"name": "Root"}),
    ("post", "/api-keys", {"name": "a", "budget": 3, "expires_at": 4_000_000_000}),
    ("post", "/api-keys", {"name": "b", "models": ["echo"], "rpm": 7}),
    ("get", "/api-keys?limit=1", None),
    ("get", "/api-keys/1", None),
    ("patch", "/api-keys/1", {"tpm": None}),
    ("post", "/api-keys/2/rotate", {"grace_seconds": 60}),
    ("get", "/v1/key", None),
    ("get", "/v1/models", None),
    ("get", "/v1/models/echo", None),
    (
        "post",
        "/v1/chat/completions",
        {"model": "echo", "messages": [{"role": "user", "content": "x"}]},
    ),
    (
        "post",
        "/v1/chat/completions",
        {"model": "echo", "messages": [{"role": "user", "content": "x"}], "stream": True},
    ),
    ("post", "/v1/responses", {"model": "echo", "input": "x"}),
    ("post", "/v1/responses", {"model": "echo", "input": "x", "stream": True}),
    ("post", "/v1/responses/input_tokens", {"model": "echo", "input": "x"}),
    ("post", "/v1/responses/compact", {"model": "echo", "input": "x"}),
    ("get", "/v1/responses/resp_1", None),
    ("delete", "/v1/responses/resp_1", None),
    ("post", "/v1/responses/resp_1/cancel", None),
    ("get", "/v1/responses/resp_1/input_items?limit=5", None),
    ("post", "/v1/completions", {"model": "echo", "prompt": "x"}),
    ("post", "/v1/completions", {"model": "echo", "prompt": "x", "stream": True}),
    (
        "post",
        "/v1/messages",
        {"model": "echo", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]},
    ),
    (
        "post",
        "/v1/messages/count_tokens",
        {"model": "echo", "messages": [{"role": "user", "content": "x"}]},
    ),
    ("post", "/v1/moderations", {"model": "echo", "input": "x"}),
    ("post", "/v1/audio/transcriptions", {"model": "echo", "file": "a.wav"}),
    ("post", "/v1/audio/transcriptions", {"model": "echo", "file": "a.wav", "stream": True}),
    (
        "post",
        "/v1/audio/transcriptions",
        {"model": "echo", "file": "a.wav", "response_format": "srt"},
    ),
    ("post", "/v1/audio/translations", {"model": "echo", "file": "a.wav"}),
    ("post", "/v1/rerank", {"model": "echo", "query": "x", "documents": ["x", "y"]}),
    ("post", "/v1/images/edits", {"model": "echo", "image": "a.png", "prompt": "x"}),
    ("post", "/v1/images/edits", {"model": "echo", "images": [{"file_id": "f"}], "prompt": "x"}),
    (
        "post",
        "/v1/images/edits",
        {"model": "echo", "image": "a.png", "prompt": "x", "stream": True, "partial_images": 1},
    ),
    ("post", "/v1/images/variations", {"model": "echo", "image": "a.png"}),
    ("post", "/v1/images/generations", {"model": "echo", "prompt": "x", "n": 2}),
    (
        "post",
        "/v1/images/generations",
        {"model": "echo", "prompt": "x", "stream": True, "partial_images": 1},
    ),
    ("post", "/v1/audio/speech", {"model": "echo", "input": "x y", "voice": "alloy"}),
    (
        "post",
        "/v1/audio/speech",
        {"model": "echo", "input": "x y", "voice": "alloy", "stream_format": "sse"},
    ),
    ("get", "/v1/responses", None),
    ("get", "/v1/realtime?model=echo", None),
    (
        "post",
        "/v1/realtime/client_secrets",
        {"session": {"type": "realtime", "model": "echo", "instructions": "x"}},
    ),
    ("post", "/v1/embeddings", {"model": "echo", "input": "x"}),
    ("post", "/v1/files", {"purpose": "batch", "file": "a.jsonl"}),
    ("get", "/v1/files", None),
    ("get", "/v1/files/file-1", None),
    ("post", "/v1/files/file-1", {}),
    ("delete", "/v1/files/file-1", None),
    ("post", "/v1/batches", {"endpoint": "/v1/embeddings", "input_file_id": "file-1"}),
    ("get", "/v1/batches", None),
    ("get", "/v1/batches/batch_1", None),
    ("post", "/v1/batches/batch_1/cancel", None),
    ("delete", "/v1/batches/batch_1", None),
    ("get", "/usage", None),
    ("get", "/usage?group_by=key", None),
    ("get", "/usage?group_by=user", None),
    ("get", "/usage?format=csv", None),
    ("get", "/admin/users", None),
    ("post", "/admin/users", {"email": "bob@example.com", "plan": "free"}),
    ("get", "/admin/users/2", None),
    ("patch", "/admin/users/3", {"name": "Bob"}),
    ("post", "/admin/users/3/password", {"new_password": PASSWORD}),
    ("post", "/admin/users/3/credits", {"amount": 2, "kind": "top_up", "reason": "a gift"}),
    ("get", "/admin/users/3/credits?limit=1", None),
    ("get", "/admin/plans", None),
    ("post", "/admin/invites", {"email": "eve@example.com"}),
    ("post", "/admin/invites", None),
    ("get", "/admin/invites", None),
    ("delete", "/admin/invites/1", None),
    ("delete", "/admin/users/3", None),
    ("delete", "/api-keys/1", None),
    ("get", "/admin/request-logs?user_id=1", None),
    ("get", "/admin/request-logs/1", None),
    ("delete", "/admin/request-logs/1", None),
    ("get", "/health", None),
    ("get", "/metrics", None),
    ("get", "/openapi.json", None),
    ("get", "/docs", None),
    ("get", "/", None),
    ("post", "/auth/password", {"current_password": PASSWORD, "new_password": PASSWORD + "!"}),
    ("post", "/auth/logout", None),
    ("delete", "/auth/profile", {"password": PASSWORD + "!"}),
]
"""Every operation once, as it goes well, but for one."""

REFUSED = {
    ("delete", "/auth/profile"): "409",
    ("get", "/v1/realtime?model=echo"): "426",
    ("get", "/v1/responses"): "426",
    ("post", "/v1/responses/compact"): "400",
    ("get", "/v1/files/file-1"): "404",
    ("post", "/v1/files/file-1"): "404",
    ("delete", "/v1/files/file-1"): "404",
    ("post", "/v1/batches"): "404",
    ("get", "/v1/batches/batch_1"): "404",
    ("post", "/v1/batches/batch_1/cancel"): "404",
    ("delete", "/v1/batches/batch_1"): "404",
    ("get", "/v1/responses/resp_1"): "404",
    ("delete", "/v1/responses/resp_1"): "404",
    ("post", "/v1/responses/resp_1/cancel"): "404",
    ("get", "/v1/responses/resp_1/input_items?limit=5"): "404",
}
"""The last administrator stays, a websocket needs an upgrade, and there is no such response."""


@pytest.mark.sqlite_suffices
@pytest.mark.gen_test(timeout=300)
async def test_answers_are_as_described(app, http_client, base_url, described, root):
    strict = _strict(described)
    done, tokens = set(), {"session": root}
    for method, path, body in STORY:
        template, operation = _find(described, method, path)
        done.add((method, template))
        wanted = next((name for item in operation["security"] for name in item), "")
        media, data = _sent(path, body)
        answer = await http_client.fetch(
            base_url + path,
            method=method.upper(),
            headers={"Authorization": f"Bearer {tokens.get(wanted)}", "Content-Type": media},
            body=data,
            raise_error=False,
            follow_redirects=False,
            allow_nonstandard_methods=True,
        )
        _check(strict, operation, answer, (method, path))
        if path == "/api-keys" and method == "post":
            tokens.setdefault("apiKey", orjson.loads(answer.body)["key"])
        if path == "/auth/password":
            tokens["session"] = orjson.loads(answer.body)["token"]
        if path == "/auth/logout":
            login = {"email": "root@example.com", "password": PASSWORD + "!"}
            answer = await http_client.fetch(
                f"{base_url}/auth/login",
                method="POST",
                headers={"Content-Type": "application/json"},
                body=orjson.dumps(login),
            )
            tokens["session"] = orjson.loads(answer.body)["token"]
        if path == "/v1/embeddings":
            await asyncio.sleep(0.7)  # until the calls are in the books
    every = {(m, path) for path, item in described["paths"].items() for m in METHODS if m in item}
    assert done == every


def _sent(path, body):
    """The content type and the bytes of a body: of a form, with samples in place of its files."""
    endpoint = path.removeprefix("/v1/").replace("/", ".")
    if path == "/v1/files" and body is not None:
        fields = [("purpose", body["purpose"])]
        return f"multipart/form-data; boundary={BOUNDARY}", file_form(b"{}\n", fields)
    if body is None or not is_form(endpoint, body, ()):
        return "application/json", None if body is None else orjson.dumps(body)
    form = Parts(tuple(form_parts(endpoint, body, ())))
    return form.content_type, b"".join(form.pieces())


PLACES = (
    *(("/models/echo", "/models/{model}"), ("/resp_1", "/{response}")),
    *(("/file-1", "/{path}"), ("/batch_1/cancel", "/{path}"), ("/batch_1", "/{path}")),
)


def _find(described, method, path):
    path = path.partition("?")[0]
    template = re.sub(r"/\d+", "/{id}", path)
    for value, name in PLACES:
        template = template.replace(value, name)
    return template, described["paths"][template][method]


def _check(strict, operation, answer, asked):
    expected = REFUSED.get(asked) or next(iter(operation["responses"]))
    assert str(answer.code) == expected, (asked, answer.body)
    response = operation["responses"][expected]
    if "$ref" in response:
        response = strict["components"]["responses"][response["$ref"].rpartition("/")[2]]
    for name, reference in response["headers"].items():
        header = strict["components"]["headers"][reference["$ref"].rpartition("/")[2]]
        if header.get("required"):
            assert name in answer.headers, (asked, name)
    if not response.get("content"):
        assert answer.body == b""
        return
    media = answer.headers["Content-Type"].partition(";")[0]
    schema = {**response["content"][media]["schema"], "components": strict["components"]}
    if media == "application/json":
        Draft202012Validator(schema).validate(orjson.loads(answer.body))
    elif media == "text/event-stream":
        _check_events(strict, schema, answer.body)


def _check_events(strict, schema, stream):
    """Each event has a chunk, but for the last."""
    event = schema["$ref"].rpartition("/")[2]
    chunk, error, *end = strict["components"]["schemas"][event]["properties"]["data"]["anyOf"]
    assert error["contentSchema"]["$ref"].endswith("Error")
    chunks = [event.data for event in Decoder().feed(stream)]
    for last in end:
        assert chunks.pop().decode() == last["const"]
    assert len(chunks) > 1
    for data in chunks:
        schema = {**chunk["contentSchema"], "components": strict["components"]}
        Draft202012Validator(schema).validate(orjson.loads(data))


def _strict(described):
    """The document with the router's own objects closed, so that none has a field unheard of."""
    strict = copy.deepcopy(described)

    def close(schema):
        if "properties" in schema:
            schema["additionalProperties"] = False
            for value in schema["properties"].values():
                close(value)

    for name, schema in strict["components"]["schemas"].items():
        if name in own_schemas():
            close(schema)
    return strict
