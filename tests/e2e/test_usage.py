"""Usage as people read it: a real process, real calls, and their sums to the last digit."""

import csv
import io
import json
from decimal import Decimal

import pytest

from ..support import VENDOR_KEY, poll
from ..upstream import USAGE

HELLO = [{"role": "user", "content": "hello out there"}]
ANN, BOB, ADA = "ann@example.com", "bob@example.com", "ada@example.com"
PASSWORD = "correct horse battery"
COST = Decimal(USAGE["prompt_tokens"] * 1 + USAGE["completion_tokens"] * 2) / 10**6
"""Of a call of `up/ok`, in US dollars."""

ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[auth]
bcrypt_rounds = 4
[providers.up]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
[plans.free]
credits = 0
[prices."up/*"]
input = 1.0
output = 2.0
"""


@pytest.fixture
def project(router_project, upstream):
    project = router_project(
        {"router.toml": ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)}
    )
    for email, more in ((ANN, ()), (BOB, ()), (ADA, ("--admin",))):
        run(project, "users", "create", "--email", email, "--password-stdin", *more)
        run(project, "credits", "add", email, "5", "--reason", "a test")
    return project


@pytest.fixture
def router(project):
    return project.serve()


def run(project, *arguments):
    done = project.cli(*arguments, input=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def request(router, method, path, body=None, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return router.request(method, path, None if body is None else json.dumps(body), headers)


class Person:
    """Somebody who is logged in and has a key."""

    def __init__(self, router, email):
        self.router = router
        log_in = {"email": email, "password": PASSWORD}
        self.token = request(router, "POST", "/auth/login", log_in).json["token"]
        made = request(router, "POST", "/api-keys", {"name": f"{email}'s"}, self.token)
        assert made.status == 201, made.body
        self.key, self.key_id, self.id = (made.json[name] for name in ("key", "id", "user_id"))

    def call(self, model="up/ok", **more):
        body = {"model": model, "messages": HELLO, "max_tokens": 50, **more}
        return self.router.post(body, authorization=f"Bearer {self.key}").status

    def get(self, query=""):
        return request(self.router, "GET", f"/usage{query}", token=self.token)

    def usage(self, query=""):
        answer = self.get(query)
        assert answer.status == 200, answer.body
        return answer.json

    def profile(self):
        return request(self.router, "GET", "/auth/profile", token=self.token).json


def test_calls_their_sums_and_the_credits_say_the_same(router):
    ann, bob, ada = (Person(router, email) for email in (ANN, BOB, ADA))
    assert [ann.call() for _ in range(7)] == [200] * 7
    assert [ann.call(stream=True) for _ in range(3)] == [200] * 3
    assert ann.call("up/status:400") == 400
    assert ann.call("nobody-has-this") == 404
    assert bob.call() == 200
    poll(lambda: len(router.usage_rows()) == 13)

    mine = ann.usage("?limit=100")
    assert mine["totals"]["requests"] == len(mine["data"]) == 12
    assert mine["totals"]["errors"] == 2
    assert Decimal(mine["totals"]["cost"]) == 10 * COST
    assert sum(Decimal(row["cost"]) for row in mine["data"]) == 10 * COST
    assert mine["totals"]["prompt_tokens"] == sum(row["prompt_tokens"] for row in mine["data"])
    assert {(row["user_id"], row["key_id"]) for row in mine["data"]} == {(ann.id, ann.key_id)}
    assert ann.profile()["spent"] == mine["totals"]["cost"]
    newest = mine["data"][0]
    assert (newest["model"], newest["status"], newest["provider"]) == ("nobody-has-this", 404, None)
    assert mine["data"][-1]["prices"]["output"] == "2"

    by_model = ann.usage("?group_by=model")["data"]
    assert by_model[0]["model"] == "up/ok"
    assert by_model[0]["requests"] == 10
    assert {group["model"] for group in by_model[1:]} == {"nobody-has-this", "up/status:400"}
    assert bob.usage()["totals"]["requests"] == 1
    assert bob.get(f"?user_id={ann.id}").error["code"] == "user_not_found"
    assert bob.get(f"?key_id={ann.key_id}").error["code"] == "key_not_found"

    everybody = ada.usage("?group_by=user")
    assert everybody["totals"]["requests"] == 13
    assert [(group["email"], group["requests"]) for group in everybody["data"]] == [
        (ANN, 12),
        (BOB, 1),
    ]
    assert ada.usage(f"?user_id={ann.id}")["totals"] == mine["totals"]


def test_pages_and_csv_have_the_same_calls(router):
    ann = Person(router, ANN)
    for _ in range(9):
        ann.call()
    assert ann.call('=HYPERLINK("http://x")') == 404
    poll(lambda: len(router.usage_rows()) == 10)
    seen, after = [], ""
    while after is not None:
        page = ann.usage(f"?limit=4{after and f'&after={after}'}")
        seen += page["data"]
        after = page["next"]
    assert len({row["id"] for row in seen}) == len(seen) == 10
    answer = ann.get("?format=csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="usage.csv"'
    lines = list(csv.DictReader(io.StringIO(answer.body.decode(), newline=""), strict=True))
    assert [int(line["id"]) for line in lines] == [row["id"] for row in seen]
    assert [line["cost"] for line in lines] == [row["cost"] for row in seen]
    assert lines[0]["model"] == '\'=HYPERLINK("http://x")'


@pytest.mark.sqlite_suffices
def test_a_key_and_nobody_at_all_get_nothing(router):
    ann = Person(router, ANN)
    assert request(router, "GET", "/usage", token=ann.key).error["code"] == "token_required"
    assert request(router, "GET", "/usage").status == 401
    for query in ("?from=2026-13-01", "?from=%0d%0aX:1", "?from=a&from=b", "?x=1"):
        answer = ann.get(query)
        assert answer.status == 400
        assert answer.error["param"] == ("x" if query == "?x=1" else "from")
    assert ann.get("?model=%ff").status == 400


USER = [{"role": "user", "content": "hello out there"}]
ASKED = {
    "/v1/chat/completions": {"messages": USER},
    "/v1/completions": {"prompt": "hello out there", "max_tokens": 50},
    "/v1/messages": {"messages": USER, "max_tokens": 50},
    "/v1/responses": {"input": "hello out there", "store": False},
}


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("path", ASKED)
def test_callers_learn_what_a_call_costs(router, path):
    ann = Person(router, ANN)
    headers = {"Authorization": f"Bearer {ann.key}", "Content-Type": "application/json"}

    def ask(model="up/ok", wants=False, **more):
        body = json.dumps({"model": model, **ASKED[path], **more})
        extra = {"X-Router-Cost": "true"} if wants else {}
        answer = router.request("POST", path, body, headers | extra)
        assert answer.status == 200, answer.body
        return answer

    whole = ask()
    assert whole.headers["x-router-cost"] == f"{COST.normalize():f}"
    poll(lambda: ann.usage()["data"])
    assert whole.headers["x-router-cost"] == ann.usage()["data"][0]["cost"]
    more = {"stream": True}
    if "completions" in path:
        more["stream_options"] = {"include_usage": True}
    streamed = ask(wants=True, **more)
    assert "x-router-cost" not in streamed.headers
    lines = [line for line in streamed.body.splitlines() if line.startswith(b"data: {")]
    events = [json.loads(line.removeprefix(b"data: ")) for line in lines]
    usages = [event.get("usage") or event.get("response", {}).get("usage") for event in events]
    found = [usage["cost"] for usage in usages if usage and "cost" in usage]
    assert found == [float(COST)]
    assert b'"cost"' not in ask(**more).body
