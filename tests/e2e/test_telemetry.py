"""Traces and metrics, as a collector of OpenTelemetry gets them."""

import pytest

from ..collector import attributes, collector
from ..support import VENDOR_KEY, poll

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
PROMPT = "canary-prompt-77aa"


@pytest.fixture
def told():
    with collector() as it:
        yield it


@pytest.fixture
def serve(told, router_project, upstream):
    def serve(more=""):
        return router_project(
            {
                "router.toml": f"""
[server]
port = 0
[log]
format = "json"
[otel]
endpoint = "{told.url}/"
headers = "x-token=collector-secret"
metrics_seconds = 0.3
{more}
[providers.up]
type = "openai"
api_key = "{VENDOR_KEY}"
base_url = "{upstream.url}/v1"
models = ["ok", "status:503", "status:500", "stream"]
[prices."up/*"]
input = 1
output = 1
[routing]
retries = 0
[routes.falls]
targets = ["up/status:503", "up/ok"]
cache_seconds = 60
"""
            }
        ).serve()

    return serve


def ask(router, model="falls", **more):
    headers = {name: more.pop(name) for name in ("traceparent",) if name in more}
    messages = [{"role": "user", "content": PROMPT}]
    return router.post({"model": model, "messages": messages, **more}, **headers)


def tree(told, count):
    """The span of a call, and those of its attempts."""
    spans = poll(lambda: told.spans() if len(told.spans()) >= count else None)
    assert len(spans) == count
    ids = {span.span_id for span in spans}
    (root,) = [span for span in spans if span.parent_span_id not in ids]
    return root, [span for span in spans if span is not root]


def test_a_call_and_its_attempts(serve, told):
    answer = ask(serve(), traceparent=f"00-{TRACE}-{PARENT}-01")
    assert answer.status == 200
    root, children = tree(told, 3)
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
    assert {child.trace_id for child in children} == {root.trace_id}
    assert {child.parent_span_id for child in children} == {root.span_id}
    assert root.name == "chat falls"
    assert [child.name for child in children] == ["chat status:503", "chat ok"]
    for child in children:
        assert root.start_time_unix_nano <= child.start_time_unix_nano <= child.end_time_unix_nano
        assert child.end_time_unix_nano <= root.end_time_unix_nano + 1_000_000
    shown = attributes(root)
    assert shown["gen_ai.operation.name"] == "chat"
    assert shown["gen_ai.provider.name"] == "up"
    assert shown["gen_ai.response.model"] == "ok"
    assert shown["gen_ai.usage.input_tokens"] > 0
    assert shown["tornado_router.request_id"] == answer.headers["x-request-id"]
    assert shown["tornado_router.cost_dollars"] > 0
    assert attributes(children[0])["error.type"]
    assert children[0].status.code == 2  # an error
    assert children[1].status.code == root.status.code == 0
    assert told.headers[0]["x-token"] == "collector-secret"


def test_a_stream_a_failure_and_a_refusal(serve, told):
    router = serve()
    ask(router, "up/stream", stream=True)
    root, (child,) = tree(told, 2)
    assert child.end_time_unix_nano <= root.end_time_unix_nano + 1_000_000
    told.raw.clear()
    assert ask(router, "up/status:500").status == 502
    root, (child,) = tree(told, 2)
    assert root.status.code == child.status.code == 2
    assert attributes(root)["http.response.status_code"] == 502
    told.raw.clear()
    assert ask(router, "nobody").status == 404
    root, children = tree(told, 1)
    assert (attributes(root)["error.type"], children) == ("model_not_found", [])


def test_a_cache_hit_has_no_attempts(serve, told):
    router = serve()
    ask(router, temperature=0)
    tree(told, 3)
    told.raw.clear()
    ask(router, temperature=0)
    root, children = tree(told, 1)
    assert attributes(root)["tornado_router.cache_hit"] is True
    assert children == []


def test_what_the_client_says_is_no_trace(serve, told):
    ask(serve(), "up/ok", traceparent="00-nonsense")
    root, _ = tree(told, 2)
    assert root.parent_span_id == b""


def test_metrics(serve, told):
    router = serve()
    ask(router)
    ask(router, "up/stream", stream=True)
    ask(router, "nobody-knows-this")
    names = {
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
        "tornado_router.cost",
    }
    poll(lambda: names <= told.metrics().keys())
    points = told.metrics()["gen_ai.client.token.usage"].histogram.data_points
    shown = attributes(points[0])
    assert shown["gen_ai.provider.name"] == "up"
    assert shown["gen_ai.token.type"] in ("input", "output")
    models = {
        attributes(point)["gen_ai.request.model"]
        for point in told.metrics()["gen_ai.client.operation.duration"].histogram.data_points
    }
    assert models == {"falls", "up/stream"}


def test_nothing_of_a_prompt_an_answer_or_a_key_is_told(serve, told):
    router = serve()
    ask(router)
    ask(router, "up/stream", stream=True)
    tree_size = 5
    poll(lambda: len(told.spans()) == tree_size and told.metrics())
    everything = b"".join(data for _, data in told.raw)
    for secret in (PROMPT, VENDOR_KEY, router.key, "collector-secret"):
        assert secret.encode() not in everything


def test_what_is_left_is_told_at_the_end(serve, told):
    router = serve()
    ask(router)
    assert router.stop() == 0
    assert len(told.spans()) == 3


def test_parts_may_be_off(serve, told):
    router = serve("traces = false")
    ask(router)
    poll(told.metrics)
    assert told.spans() == []


def test_a_collector_that_is_away_is_no_harm(router_project, upstream, closed_port):
    toml = f"""
[server]
port = 0
[otel]
endpoint = "http://127.0.0.1:{closed_port}"
[providers.echo]
type = "echo"
models = ["echo"]
"""
    router = router_project({"router.toml": toml}).serve()
    router.expect_log(".*")
    assert ask(router, "echo").status == 200
    assert router.stop() == 0


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('endpoint = "localhost:4318"', "otel.endpoint"),
        ('endpoint = "http://localhost:4318"\nheaders = "secret"', "otel.headers"),
        ("sample_ratio = 2", "otel.sample_ratio"),
    ],
)
def test_faults(router_project, table, fault):
    checked = router_project({"router.toml": f"[otel]\n{table}\n"}).cli("check")
    assert fault in checked.stderr
    assert checked.returncode != 0
    assert "secret" not in checked.stderr.replace("'secret'", "")
