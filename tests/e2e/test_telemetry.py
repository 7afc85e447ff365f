"""Traces and metrics, as a collector of OpenTelemetry gets them."""

import json
import time

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tornado_router.observability.telemetry import STOP_SECONDS

from ..collector import attributes, collector
from ..support import VENDOR_KEY, poll

pytestmark = pytest.mark.sqlite_suffices

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
PROMPT = "canary-prompt-77aa"
SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT
UNSET, ERROR = Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR


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
type = "mistral"
api_key = "{VENDOR_KEY}"
base_url = "{upstream.url}/v1"
models = ["ok", "status:503", "status:500", "stream", "slow:30"]
[prices."up/*"]
input = 1
output = 1
[routing]
retries = 0
[routes.falls]
targets = ["up/status:503", "up/ok"]
cache_seconds = 60
[routes.races]
targets = ["up/slow:30", "up/ok"]
hedge_seconds = 0.1
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


def test_a_call_and_its_attempts(serve, told, upstream):
    answer = ask(serve(), traceparent=f"00-{TRACE}-{PARENT}-01")
    assert answer.status == 200
    root, children = tree(told, 3)
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
    assert {child.trace_id for child in children} == {root.trace_id}
    assert {child.parent_span_id for child in children} == {root.span_id}
    assert root.name == "POST /v1/chat/completions"
    assert [child.name for child in children] == ["chat status:503", "chat ok"]
    assert (root.kind, [child.kind for child in children]) == (SERVER, [CLIENT, CLIENT])
    for child in children:
        assert root.start_time_unix_nano <= child.start_time_unix_nano <= child.end_time_unix_nano
        assert child.end_time_unix_nano <= root.end_time_unix_nano + 1_000_000
    shown = attributes(root)
    assert shown["http.request.method"] == "POST"
    assert shown["url.path"] == shown["http.route"] == "/v1/chat/completions"
    assert (shown["url.scheme"], shown["http.response.status_code"]) == ("http", 200)
    assert (shown["tornado_router.model"], shown["tornado_router.provider"]) == ("falls", "up")
    assert shown["tornado_router.request_id"] == answer.headers["x-request-id"]
    assert shown["tornado_router.cost_dollars"] > 0
    assert not [name for name in shown if name.startswith("gen_ai.")]  # or backends count twice
    failed, served = map(attributes, children)
    assert failed["error.type"]
    assert not [name for name in failed if name.startswith("gen_ai.usage.")]
    assert served == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "mistral_ai",
        "gen_ai.request.model": "ok",
        "gen_ai.response.model": "ok-2026-11-01",
        "gen_ai.response.id": "chatcmpl-upstream",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "server.address": "127.0.0.1",
        "server.port": upstream.port,
        "tornado_router.provider": "up",
        "tornado_router.usage_estimated": False,
    }
    assert children[0].status.code == ERROR
    assert children[1].status.code == root.status.code == UNSET
    assert told.headers[0]["x-token"] == "collector-secret"


def test_a_stream(serve, told):
    ask(serve(), "up/stream", stream=True)
    root, (child,) = tree(told, 2)
    assert child.end_time_unix_nano <= root.end_time_unix_nano + 1_000_000
    assert attributes(root)["tornado_router.stream"] is True
    shown = attributes(child)
    assert shown["gen_ai.request.stream"] is True
    assert shown["gen_ai.response.time_to_first_chunk"] > 0
    assert shown["gen_ai.response.finish_reasons"] == ["stop"]
    assert shown["gen_ai.response.model"] == "stream-2026-11-01"
    assert shown["gen_ai.usage.output_tokens"] > 0
    assert shown["tornado_router.usage_estimated"] is True  # this vendor did not say


def test_failures_and_refusals(serve, told):
    router = serve()
    assert ask(router, "up/status:500").status == 502
    root, (child,) = tree(told, 2)
    assert root.status.code == child.status.code == ERROR
    shown = attributes(root)
    assert shown["http.response.status_code"] == 502
    assert shown["error.type"] == attributes(child)["error.type"] == "vendor_500"
    told.raw.clear()
    assert ask(router, "nobody").status == 404
    root, children = tree(told, 1)
    shown = attributes(root)
    assert (shown["tornado_router.error_code"], children) == ("model_not_found", [])
    assert (root.status.code, "error.type" in shown) == (UNSET, False)


def test_an_attempt_that_another_has_outrun(serve, told):
    ask(serve(), "races")
    _, children = tree(told, 3)
    slow, fast = sorted(children, key=lambda child: child.name, reverse=True)
    assert attributes(slow)["error.type"] == "cancelled"
    assert "gen_ai.usage.input_tokens" not in attributes(slow)
    assert attributes(fast)["gen_ai.usage.input_tokens"] == 11


def test_a_cached_response_has_no_attempts(serve, told):
    router = serve()
    ask(router, temperature=0)
    tree(told, 3)
    told.raw.clear()
    ask(router, temperature=0)
    root, children = tree(told, 1)
    assert attributes(root)["tornado_router.cache_hit"] is True
    assert children == []


@pytest.mark.parametrize("sampled", [True, False])
def test_the_log_names_the_trace(serve, told, sampled):
    router = serve("" if sampled else "sample_ratio = 0")
    ask(router, "up/ok")
    ask(router, "up/ok", traceparent=f"00-{TRACE}-{PARENT}-01")
    ask(router, "up/ok", traceparent=f"00-{TRACE}-{PARENT}-00")
    router.request("GET", "/v1/models", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert router.stop() == 0
    lines = [json.loads(line) for line in router.stderr.splitlines()]
    mine, *others = [line["trace_id"] for line in lines if line["message"] == "request"]
    assert others == [TRACE] * 3
    ids = {span.trace_id.hex() for span in told.spans()}
    assert ids == {TRACE, mine} - {None}
    assert (mine is not None) is sampled


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
        "tornado_router.call.duration",
        "tornado_router.cost",
    }

    def points(name):
        metric = told.metrics().get(name)
        return metric.histogram.data_points if metric else []

    poll(lambda: sum(point.count for point in points("tornado_router.call.duration")) == 3)
    assert names <= told.metrics().keys()
    shown = attributes(points("gen_ai.client.token.usage")[0])
    assert shown["gen_ai.provider.name"] == "mistral_ai"
    assert shown["tornado_router.provider"] == "up"
    assert shown["gen_ai.token.type"] in ("input", "output")
    attempts = {
        (attributes(point)["gen_ai.request.model"], attributes(point).get("error.type"))
        for point in points("gen_ai.client.operation.duration")
    }
    assert attempts == {("status:503", "server_error"), ("ok", None), ("stream", None)}
    calls = {
        (attributes(point).get("tornado_router.model"), attributes(point).get("error.type"))
        for point in points("tornado_router.call.duration")
    }
    assert calls == {("falls", None), ("up/stream", None), (None, "model_not_found")}


def test_nothing_of_a_prompt_an_answer_or_a_key_is_told(serve, told):
    router = serve()
    ask(router)
    ask(router, "up/stream", stream=True)
    tree_size = 5
    poll(lambda: len(told.spans()) == tree_size and told.metrics())
    everything = b"".join(data for _, data in told.raw)
    assert b"tornado_router.provider" in everything  # which can be read as it is
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


def test_a_collector_that_is_away_is_no_harm(router_project, closed_port):
    toml = f"""
[server]
port = 0
[log]
format = "json"
[otel]
endpoint = "http://127.0.0.1:{closed_port}"
[providers.echo]
type = "echo"
models = ["echo"]
"""
    router = router_project({"router.toml": toml}).serve()
    assert ask(router, "echo").status == 200
    poll(lambda: "encountered while exporting spans" in router.stderr)
    assert ask(router, "echo").status == 200
    assert router.stop() == 0
    lines = [json.loads(line) for line in router.stderr.splitlines()]
    assert sum(line["message"] == "request" for line in lines) == 2


def test_a_stop_does_not_wait_for_a_collector_that_never_answers(serve, told):
    router = serve()
    with told.silent():
        ask(router)
        poll(lambda: told.requests)
        began = time.monotonic()
        assert router.stop() == 0
        assert time.monotonic() - began < 3 * STOP_SECONDS


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
