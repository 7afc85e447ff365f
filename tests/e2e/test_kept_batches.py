"""`kill -9` while the router runs a batch: no line is paid twice, and none is lost."""

import json
from collections import Counter

import openai
import pytest

from ..support import VENDOR_KEY, poll
from .test_killed import ROUTER_TOML, Deployment

LINES = 14
BATCHES = "[batches]\nby_router = true\nlines_at_once = 3\n"


@pytest.fixture
def deployment(router_project, upstream):
    text = ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)
    return Deployment(router_project({"router.toml": BATCHES + text}))


def lines():
    body = {
        "model": "up/slow:0.4",
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


def test_each_line_has_one_result_and_is_paid_once(deployment):
    with deployment.client() as client:
        file = client.files.create(file=("tasks.jsonl", lines()), purpose="batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
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
    results = [json.loads(text) for text in content.splitlines()]
    assert sorted(it["custom_id"] for it in results) == sorted(f"task-{n}" for n in range(LINES))
    rows = [it for it in deployment.router.usage_rows() if it["endpoint"] == "chat.completions"]
    paid = Counter(row["request_id"] for row in rows if row["cost"])
    assert set(paid) <= {it["id"] for it in results}
    assert set(paid.values()) == {1}, "no line was paid twice"
    assert {row["error_code"] for row in rows if not row["cost"]} <= {"interrupted"}
    deployment.agree()
