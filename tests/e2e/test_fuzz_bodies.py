"""Calls of messages and responses whose bodies are nearly right, by a user and an administrator.

Their schemas are more than Schemathesis can make bodies of (`test_fuzz`), so these are valid ones
with a few places spoilt. Whatever is sent, the response is one that `/openapi.json` describes, is
never a 5xx, and has the errors of its API.
"""

from functools import cache
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, seed, settings

from tornado_router.endpoints import ENDPOINTS
from tornado_router.errors import ApiError
from tornado_router.sse import Decoder
from tornado_router.testing import running_vendor
from tornado_router.testing.samples import SAMPLES
from tornado_router.testing.vendors import json_response

from ..body_mutations import bodies
from ..support import Project
from .test_fuzz import EXAMPLES, SEED, Person

ROUTER_TOML = """
[server]
port = 0
[auth]
bcrypt_rounds = 4
registration = "open"
default_plan = "free"
[plans.free]
credits = 100000
[providers.echo]
type = "echo"
models = ["echo"]
[providers.claude]
type = "anthropic"
api_key = "sk-up"
base_url = "{url}"
[providers.gemini]
type = "google"
api_key = "sk-up"
base_url = "{url}/google"
[providers.up]
type = "openai"
api_key = "sk-up"
base_url = "{url}/v1"
responses = true
models = ["ok"]
[targets."up/by-responses"]
chat_by = "responses"
[routing]
retries = 0
[prices]
"*/*" = {{ input = 0.01, output = 0.01 }}
"""
MODELS = ("echo", "claude/claude-opus-5-5", "gemini/gemini-3-pro", "up/ok", "up/by-responses")
"""By chat completions behind a bridge, to Claude, to Gemini, as it came, and over two bridges."""

SAMPLES_OF = {
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "messages",
    "/v1/responses": "responses",
    "/v1/responses/compact": "responses.compact",
    "/v1/responses/input_tokens": "responses",
}
LAST_EVENTS = {
    *("message_stop", "error"),
    *("response.completed", "response.incomplete", "response.failed"),
}
PLUGINS = Path(__file__).parents[2] / "plugins"
EXAMPLES_OF_A_PATH = 20 * EXAMPLES


def respond(request):
    """What a vendor of each API says, to anything that is JSON."""
    body = request.json
    if request.path.startswith("/google/"):
        suffix = ".stream.http" if ":stream" in request.path else ".http"
        return PLUGINS / f"google/tests/recordings/chat.completions/hello{suffix}"
    if request.path.endswith("tokens"):
        return json_response({"input_tokens": 14, "object": "response.input_tokens"})
    if request.path.endswith("/compact"):
        return PLUGINS / "openai/tests/recordings/responses.compact/hello.http"
    suffix = ".stream.http" if body.get("stream") else ".http"
    if request.path.endswith("/messages"):
        return PLUGINS / f"anthropic/tests/recordings/messages/text{suffix}"
    endpoint = "responses" if request.path.endswith("/responses") else "chat.completions"
    return PLUGINS / f"openai/tests/recordings/{endpoint}/hello{suffix}"


class Description:
    """What `/openapi.json` says of responses."""

    def __init__(self, document):
        self._document = document

    def check(self, path, response):
        """Fails if a response of a POST is none that is described."""
        described = self._document["paths"][path]["post"]["responses"]
        status = str(response.status)
        found = self._resolved(described.get(status) or described[f"{status[0]}XX"])
        kind = response.headers["Content-Type"].partition(";")[0]
        schema = found["content"][kind]["schema"]
        if kind == "application/json":
            self._validator(schema["$ref"]).validate(response.json)

    def _resolved(self, value):
        while "$ref" in value:
            place = value["$ref"].removeprefix("#/").split("/")
            value = self._document
            for step in place:
                value = value[step]
        return value

    @cache  # noqa: B019 - one object for the whole module
    def _validator(self, reference):
        schema = {"$ref": reference, "components": self._document["components"]}
        return jsonschema_rs.validator_for(schema)


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    """One for all, as each call leaves it as it was."""
    with running_vendor(respond) as vendor:
        files = {"router.toml": ROUTER_TOML.format(url=vendor.url)}
        project = Project(tmp_path_factory.mktemp("project"), files)
        try:
            yield project.serve()
        finally:
            project.close()  # looks at the log, too


@pytest.fixture(scope="module")
def description(router):
    return Description(router.request("GET", "/openapi.json").json)


@pytest.fixture(scope="module")
def users_key(router):
    return Person(router, "ada@example.com", calls={}).secrets["apiKey"]


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("is_admin", [False, True], ids=["user", "administrator"])
@pytest.mark.parametrize("path", SAMPLES_OF)
def test_whatever_is_sent_is_responded_to_as_described(
    router, description, users_key, path, is_admin
):
    key = router.key if is_admin else users_key
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    statuses = set()

    @seed(SEED)
    @settings(max_examples=EXAMPLES_OF_A_PATH, database=None, suppress_health_check=HealthCheck)
    @given(bodies(valid_bodies(path), passes(path)))
    def check(body):
        response = router.request("POST", path, body, headers)
        assert response.status < 500, response.body
        description.check(path, response)
        if response.headers["Content-Type"].startswith("text/event-stream"):
            assert last_event(response.body) in LAST_EVENTS
        statuses.add(response.status // 100)

    check()
    assert statuses == {2, 4}


def valid_bodies(path):
    """Of the conformance kit, for every model, whole and as streams."""
    named = [sample.body for kind in SAMPLES[SAMPLES_OF[path]] for sample in kind]
    streams = [{}, {"stream": True}] if path in ("/v1/messages", "/v1/responses") else [{}]
    return [{**body, "model": m, **stream} for body in named for m in MODELS for stream in streams]


def passes(path):
    """What says whether a body would pass the schema of a path."""
    validator = ENDPOINTS[SAMPLES_OF[path]].validator()

    def check(body):
        try:
            validator.check(body)
        except (ApiError, UnicodeEncodeError):  # half of a surrogate pair
            return False
        return True

    return check


def last_event(stream):
    decoder = Decoder()
    return [*decoder.feed(stream), *decoder.finish()][-1].name
