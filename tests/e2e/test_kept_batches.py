"""A router is killed while it runs a batch: no line is paid twice, and none is lost."""

import json
import signal
from collections import Counter

import openai
import pytest

from ..postgres import postgres_server
from ..servers import redis_server
from ..support import VENDOR_KEY, Project, poll
from . import test_scale_out
from .test_killed import ROUTER_TOML, Deployment

LINES = 14
BATCHES = "[batches]\nby_router = true\nlines_at_once = 3\n"


@pytest.fixture
def deployment(router_project, upstream):
    text = ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)
    return Deployment(router_project({"router.toml": BATCHES + text}))


def lines():
    body = {
        "model": "up/slow:0.5",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 10,
    }
    head = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    return b"".join(
        json.dumps({"custom_id": f"task-{n}", **head}).encode() + b"\n" for n in range(LINES)
    )


def ask(deployment, question):
    """What the SDK gets, from a router that may just be starting."""
    with deployment.client() as client:
        try:
            return question(client)
        except openai.APIConnectionError:
            return None


def submit(client):
    file = client.files.create(file=("tasks.jsonl", lines()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )


def check(content, rows):
    """Each line has one result, and was paid once."""
    results = [json.loads(text) for text in content.splitlines()]
    assert sorted(it["custom_id"] for it in results) == sorted(f"task-{n}" for n in range(LINES))
    rows = [it for it in rows if it["endpoint"] == "chat.completions"]
    paid = Counter(row["request_id"] for row in rows if row["cost"])
    assert set(paid) <= {it["id"] for it in results}
    assert set(paid.values()) == {1}, "no line was paid twice"
    return {row["error_code"] for row in rows if not row["cost"]}


def test_each_line_has_one_result_and_is_paid_once(deployment):
    with deployment.client() as client:
        batch = submit(client)
    for enough in (2, 6):
        poll(
            lambda enough=enough: (
                ask(
                    deployment,
                    lambda client: client.batches.retrieve(batch.id).request_counts.completed,
                )
                >= enough
            )
        )
        deployment.kill()
        deployment.restart()
    done = poll(
        lambda: ask(
            deployment,
            lambda client: next(
                (it for it in client.batches.list() if it.status == "completed"), None
            ),
        )
    )
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (LINES, LINES, 0)
    content = ask(deployment, lambda client: client.files.content(done.output_file_id).text)
    assert check(content, deployment.router.usage_rows()) <= {"interrupted"}
    deployment.agree()


@pytest.fixture
def routers(tmp_path, upstream):
    """Two that share PostgreSQL and Redis."""
    with redis_server(tmp_path) as (_, redis), postgres_server() as postgres:
        url = postgres.create(migrated=True)
        projects = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir()
            text = test_scale_out.ROUTER_TOML.format(
                redis=redis, name=name, upstream=upstream.url
            ).replace('"stream"]', '"slow:*"]')
            projects.append(Project(folder, {"router.toml": BATCHES + text}, url))
        yield projects
        for project in projects:
            project.close()


key = test_scale_out.key


def test_another_router_goes_on_when_one_is_killed(routers, key):
    one, two = routers
    first, second = one.serve(), two.serve()
    second.send(signal.SIGSTOP)
    with openai.OpenAI(base_url=first.url, api_key=key, max_retries=0) as client:
        batch = submit(client)
        poll(lambda: client.batches.retrieve(batch.id).request_counts.completed >= 2)
    first.kill()
    second.send(signal.SIGCONT)
    with openai.OpenAI(base_url=second.url, api_key=key, max_retries=0) as client:
        done = poll(
            lambda: next((it for it in client.batches.list() if it.status == "completed"), None)
        )
        assert done.request_counts.completed == LINES
        content = client.files.content(done.output_file_id).text
    second.stop()
    one.serve().stop()  # records what the one before had in its journal
    assert check(content, two.place.rows("SELECT * FROM usage_logs")) <= {"interrupted"}
