"""`kill -9` of a router that settles a batch: it is paid for once, when the router is back."""

import json
import signal

import openai
import pytest

from ..batch_vendor import BatchVendor, jsonl, line
from ..file_vendor import KEY
from ..support import poll

EMAIL = "ada@example.com"
COST = (1000 * 1000 + 500 * 2000) // 2

ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[auth]
bcrypt_rounds = 4
[passthrough]
provider = "up"
batch_seconds = 0.1
[providers.up]
type = "openai"
api_key = "{key}"
base_url = "{url}"
models = ["gpt-4o"]
[plans.free]
credits = 1
[prices."up/*"]
input = 1.0
output = 2.0
"""


@pytest.fixture
def vendor():
    with BatchVendor() as vendor:
        yield vendor
        vendor.held = False


def test_a_batch_is_paid_for_once_whenever_its_router_is_killed(router_project, vendor):
    project = router_project({"router.toml": ROUTER_TOML.format(key=KEY, url=vendor.url)})

    def run(*arguments):
        done = project.cli(*arguments, input="correct horse battery\n")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    run("users", "create", "--email", EMAIL, "--plan", "free", "--password-stdin")
    key = run("keys", "create", "--name", "test", "--user", EMAIL)
    router = project.serve()

    def client():
        return openai.OpenAI(base_url=router.url, api_key=key, max_retries=0)

    with client() as sdk:
        file = sdk.files.create(file=jsonl(line(1), line(2)), purpose="batch").id
        batch = sdk.batches.create(
            input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h"
        ).id
    vendor.held = True
    vendor.finish(batch)

    def reads():
        path = f"/v1/files/{vendor.batches[batch]['output_file_id']}/content"
        return sum(request["path"] == path for request in vendor.seen)

    for count in (1, 2):  # it is killed while it reads the results, twice
        poll(lambda count=count: reads() >= count)
        router.send(signal.SIGKILL)
        router.wait()
        router = project.serve()
    vendor.held = False

    def settled():
        return [row for row in router.usage_rows() if row["model"] == "gpt-4o"]

    poll(settled)
    poll(lambda: project.place.ask("SELECT settled_at FROM batches")[0][0])
    router.send(signal.SIGKILL)  # as it has settled it
    router.wait()
    project.place.ask("UPDATE batches SET settled_at = NULL, due_at = created_at")
    router = project.serve()
    poll(lambda: project.place.ask("SELECT settled_at FROM batches")[0][0])
    with client() as sdk:
        results = sdk.files.content(sdk.batches.retrieve(batch).output_file_id).text
    router.send(signal.SIGTERM)  # now all is written
    router.wait()
    (row,) = settled()
    assert row["cost"] == 2 * COST
    ((left, spent),) = project.place.ask("SELECT credits, spent FROM users WHERE email = ?", EMAIL)
    assert (left, spent) == (10**9 - 2 * COST, 2 * COST)
    assert [json.loads(text)["custom_id"] for text in results.splitlines()] == ["task-1", "task-2"]
