"""Requests and answers that are kept: for whom it is said, redacted, seen by administrators."""

import json

import pytest

from ..support import VENDOR_KEY, poll

PASSWORD = "correct horse 7 battery"
SECRET = "sk-proj-0123456789abcdefghij"


def configuration(upstream, calls="chosen"):
    return f"""
[server]
port = 0
[auth]
bcrypt_rounds = 4
registration = "open"
default_plan = "unlimited"
[request_log]
calls = "{calls}"
redact = ['\\d{{3}}-\\d{{4}}']
redact_fields = ["user"]
[providers.up]
type = "openai"
api_key = "{VENDOR_KEY}"
base_url = "{upstream.url}/v1"
models = ["ok", "leak:400", "stream", "stream-truncated"]
[providers.echo]
type = "echo"
models = ["echo"]
[routes.logged]
targets = ["up/ok"]
log_requests = true
cache_seconds = 60
[routes.breaks]
targets = ["up/stream-truncated"]
log_requests = true
[routes.repeats]
targets = ["echo/echo"]
log_requests = true
[routes.quiet]
targets = ["up/ok"]
"""


class Story:
    """A router, its administrator, and what they see."""

    def __init__(self, project):
        self.project = project
        self.router = project.serve()
        account = {"email": "root@example.com", "password": PASSWORD}
        self.token = self.send("POST", "/auth/register", account, None).json["token"]
        assert project.cli("users", "set", "root@example.com", "--admin").returncode == 0

    def send(self, method, path, body=None, token=""):
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.token}"
        data = None if body is None else json.dumps(body)
        return self.router.request(method, path, data, headers)

    def call(self, model, text="hi", key=None, **more):
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return self.router.post(body, authorization=f"Bearer {key or self.router.key}")

    def kept(self, count, query=""):
        """The entries that are there, newest first, once there are so many."""

        def look():
            data = self.send("GET", f"/admin/request-logs{query}").json["data"]
            return data if len(data) >= count else None

        data = poll(look) if count else self.send("GET", "/admin/request-logs").json["data"]
        assert len(data) == count
        return [self.send("GET", f"/admin/request-logs/{row['id']}").json for row in data]


@pytest.fixture
def story(router_project, upstream):
    return Story(router_project({"router.toml": configuration(upstream)}))


def test_a_route_says_so(story):
    asked = f"my key is {SECRET}, my number 555-1234"
    assert story.call("logged", asked, user="ann").status == 200
    assert story.call("quiet").status == 200
    (entry,) = story.kept(1)
    request = json.loads(entry["request"])
    content = "my key is [redacted], my number [redacted]"
    assert request["messages"] == [{"role": "user", "content": content}]
    assert request["user"] == "[redacted]"
    assert json.loads(entry["response"])["choices"]
    assert (entry["model"], entry["status"], entry["endpoint"]) == (
        "logged",
        200,
        "chat.completions",
    )


def test_streams_hits_and_failures_are_kept_as_well(story):
    asked = f"the word {SECRET} goes"
    assert story.call("repeats", asked, stream=True).status == 200
    for _ in range(2):
        story.call("logged", temperature=0, stream=True)
    assert story.call("logged", key="sk-tr-wrong").status == 401
    hit, miss, streamed = story.kept(3)
    assert json.loads(streamed["response"])["choices"][0]["message"]["content"] == (
        "the word [redacted] goes"
    )
    assert hit["response"] == miss["response"]
    assert hit["response_bytes"] == miss["response_bytes"] > 0


@pytest.mark.sqlite_suffices
def test_a_stream_that_breaks_is_kept_with_its_error(story, upstream):
    body = {"model": "breaks", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    with story.router.asking(body) as connection:
        response = connection.getresponse()
        response.read(1)
        upstream.step()
        response.read()
    (entry,) = story.kept(1)
    told = json.loads(entry["response"])
    assert told["choices"][0]["message"]["content"] == "Grüße from"
    assert told["error"]["code"] == "bad_provider_answer"


def test_a_key_says_so(story):
    def make(value):
        body = {"name": "k", "log_requests": value}
        answer = story.send("POST", "/api-keys", body)
        assert (answer.status, answer.json["log_requests"]) == (201, value)
        return answer.json["key"], answer.json["id"]

    yes, no = make(True), make(False)
    for key, _ in (yes, no):
        for model in ("quiet", "logged", "leak:400"):
            story.call(model, key=key)
    entries = story.kept(3)
    assert {entry["key_id"] for entry in entries} == {yes[1]}
    assert "error" in json.loads(entries[0]["response"])
    assert VENDOR_KEY not in json.dumps(entries)
    assert len(story.kept(3, f"?key_id={yes[1]}")) == 3
    assert story.send("GET", f"/admin/request-logs?key_id={no[1]}").json["data"] == []


@pytest.mark.sqlite_suffices
def test_only_administrators_may(story):
    account = {"email": "ada@example.com", "password": PASSWORD}
    ada = story.send("POST", "/auth/register", account, None).json["token"]
    answer = story.send("POST", "/api-keys", {"name": "k", "log_requests": True}, ada)
    assert (answer.status, answer.error["param"]) == (403, "log_requests")
    key = story.send("POST", "/api-keys", {"name": "k"}, ada).json
    path = f"/api-keys/{key['id']}"
    assert story.send("PATCH", path, {"log_requests": False}, ada).status == 403
    for path in ("/admin/request-logs", "/admin/request-logs/1"):
        assert story.send("GET", path, token=ada).status == 403


def test_who_leaves_takes_it_along(story):
    account = {"email": "ada@example.com", "password": PASSWORD}
    ada = story.send("POST", "/auth/register", account, None).json
    key = story.send("POST", "/api-keys", {"name": "k"}, ada["token"]).json["key"]
    story.call("logged", key=key)
    story.call("logged", "something else")
    first, _ = story.kept(2)
    assert story.send("DELETE", f"/admin/request-logs/{first['id']}").status == 204
    assert story.send("GET", f"/admin/request-logs/{first['id']}").status == 404
    assert story.send("DELETE", f"/admin/users/{ada['user']['id']}").status == 204
    assert story.kept(0) == []


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(("calls", "count"), [("none", 0), ("all", 2)])
def test_for_all_or_for_nobody(router_project, upstream, calls, count):
    story = Story(router_project({"router.toml": configuration(upstream, calls)}))
    story.call("quiet")
    story.call("logged")
    poll(lambda: len(story.router.usage_rows()) == 2)
    assert len(story.kept(count)) == count
