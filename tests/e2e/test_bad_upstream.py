"""What providers get wrong: said clearly, never logged as success, served by the next target."""

import json
import socket
import ssl
import threading
from contextlib import suppress

import pytest
import trustme

from ..support import events
from ..upstream import TEXT

pytestmark = pytest.mark.sqlite_suffices

HELLO = [{"role": "user", "content": "hello out there"}]

# model, status, code, and what the client reads
ALWAYS = [
    ("empty", 502, "bad_provider_answer", "The provider 'up'"),
    ("redirect", 502, None, "'up' responded with status 302"),
    ("not-http", 502, "connection_error", "'up' broke off its connection"),
    ("close", 502, "connection_error", "'up' broke off its connection"),
    ("reset", 502, "connection_error", "'up' broke off its connection"),
    ("up/status:429", 429, "vendor_429", "Vendor says 429."),
    ("up/status:404", 404, "vendor_404", "Vendor says 404."),
    ("up/status:500", 502, "vendor_500", "'up' responded with status 500"),
    ("up/status:503", 503, "vendor_503", "'up' responded with status 503"),
    ("up/status:529", 503, "vendor_529", "'up' responded with status 529"),
    ("up/status:401", 502, "provider_refused_credentials", "'up' refused the router's credentials"),
    ("up/status:403", 502, "provider_refused_credentials", "'up' refused the router's credentials"),
    ("up/plain-status:500", 502, None, "'up' responded with status 500"),
    ("up/plain-status:429", 429, None, "'up' responded with status 429"),
    ("up/plain-status:413", 413, None, "'up' responded with status 413"),
    ("nobody/x", 502, "connection_error", "'nobody' cannot be reached"),
    ("full/x", 504, "timeout", "'full' could not be connected to in time"),
    ("late/hang", 504, "timeout", "'late' did not respond in time"),
    ("short/hang", 504, "timeout", "'short' did not respond in time"),
    ("plaintls/x", 502, "tls_error", "'plaintls' has no valid TLS certificate"),
    ("up/endless:500", 502, "response_too_large", "'up' sent a response larger than"),
]
WHOLE = [
    *ALWAYS,
    ("html", 502, "bad_provider_answer", "'up' sent something that is not JSON"),
    ("truncated-json", 502, "bad_provider_answer", "'up' sent something that is not JSON"),
    ("not-an-object", 502, "bad_provider_answer", "'up' sent something that is not a JSON object"),
    ("no-choices", 502, "bad_provider_answer", "'up' has no choices"),
    ("error-200", 503, "overloaded", "The model is overloaded."),
    ("wrong-length", 502, "connection_error", "'up' broke off its connection"),
    (
        "endless",
        502,
        "response_too_large",
        "'up' sent a response larger than the limit of 67108864",
    ),
    ("bomb", 502, "response_too_large", "'up' sent a response larger than the limit of 67108864"),
    ("silent/hang-in-body", 504, "timeout", "'silent' did not respond in time"),
]
STREAMED = [
    *ALWAYS,
    ("stream-html", 502, "bad_provider_answer", "'up' broke off its stream"),
    ("stream-empty", 502, "bad_provider_answer", "'up' broke off its stream"),
    ("stream-only-done", 502, "bad_provider_answer", "'up' broke off its stream"),
    ("stream-error-first", 503, "overloaded", "Overloaded on the way."),
    ("stream-garbage-first", 502, "bad_provider_answer", "'up' sent something that is not JSON"),
    ("stream-not-an-object", 502, "bad_provider_answer", "'up' sent something that is not a JSON"),
    ("stream-endless-line", 502, "bad_provider_answer", "larger than any response"),
]
CALLS = [(False, *case) for case in WHOLE] + [(True, *case) for case in STREAMED]
REQUESTS_AT_FAULT = [("up/status:400", 400), ("up/status:422", 422), ("up/plain-status:415", 415)]


def body(model, stream=False):
    return {"model": model, "messages": HELLO, "stream": stream}


def content(answer, stream):
    """The text of an answer that went well."""
    assert answer.status == 200, answer.body
    if not stream:
        return answer.json["choices"][0]["message"]["content"]
    *chunks, done = events(answer.body)
    assert done == b"data: [DONE]"
    choices = [json.loads(chunk.removeprefix(b"data: "))["choices"][0] for chunk in chunks]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.mark.parametrize(("stream", "model", "status", "code", "message"), CALLS)
def test_failure_is_told_and_recorded(router, request_id, stream, model, status, code, message):
    answer = router.post(body(model, stream), x_request_id=request_id)
    assert answer.status == status
    if "status" in model and code is not None:
        assert (answer.error["code"], answer.error["param"]) == (code, None)
    elif code is not None:
        assert (answer.error["type"], answer.error["code"]) == ("api_error", code)
    assert message in answer.error["message"]
    assert "vendor internals" not in answer.error["message"]
    assert "acct-secret" not in str(answer.headers)
    assert answer.headers["X-Request-Id"] == request_id
    row = router.usage(request_id)
    assert (row["status"], row["stream"]) == (status, stream)
    assert row["error_code"]
    assert row["completion_tokens"] == 0
    assert router.log_line(request_id)["status"] == status


@pytest.mark.parametrize(("stream", "model", "status", "code", "message"), CALLS)
def test_next_target_serves_instead(
    router, upstream, request_id, stream, model, status, code, message
):
    first = model if "/" in model else f"up/{model}"
    answer = router.post(body(f"after-{first}", stream), x_request_id=request_id)
    assert content(answer, stream) == TEXT
    *_, last = upstream.exchanges()
    assert last["path"] == "/well/v1/chat/completions"
    assert json.loads(last["body"])["model"] == "ok"
    row = router.usage(request_id)
    assert (row["status"], row["error_code"]) == (200, None)
    assert (row["provider"], row["target_model"]) == ("well", "ok")
    assert row["model"] == f"after-{first}"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "status"), REQUESTS_AT_FAULT)
def test_request_that_the_provider_finds_wrong_is_tried_nowhere_else(
    router, upstream, request_id, model, status, stream
):
    answer = router.post(body(f"after-{model}", stream), x_request_id=request_id)
    assert answer.status == status
    assert answer.error["message"]
    assert [exchange["path"] for exchange in upstream.exchanges()] == ["/v1/chat/completions"]
    assert router.usage(request_id)["status"] == status


def test_refusal_keeps_the_words_and_the_field_of_the_provider(router):
    error = router.post(body("up/status:400")).error
    assert error == {
        "message": "Vendor says 400.",
        "type": "vendor_error",
        "param": "temperature",
        "code": "vendor_400",
    }


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_passed_on(router, status):
    assert router.post(body(f"up/status:{status}")).headers["Retry-After"] == "11"


def test_redirect_is_not_followed(router, upstream):
    assert router.post(body("redirect")).status == 502
    assert [exchange["path"] for exchange in upstream.exchanges()] == ["/v1/chat/completions"]


def test_every_target_fails(router_project, router_toml, upstream):
    toml = router_toml + '[routes.doomed]\ntargets = ["up/html", "nobody/x", "well/status:503"]\n'
    router = router_project({"router.toml": toml}).serve()
    answer = router.post(body("doomed"))
    assert answer.status == 503
    assert "'well' responded with status 503" in answer.error["message"]
    assert len(upstream.exchanges()) == 6  # each once, and twice more


@pytest.mark.parametrize(
    ("model", "stream"), [("late/hang", False), ("late/hang", True), ("silent/hang-in-body", False)]
)
def test_time_out_hangs_up(router, upstream, model, stream):
    assert router.post(body(model, stream)).status == 504
    assert upstream.cut()["cut"]


def test_fault_leaves_nothing_behind_on_the_connection(router):
    for model in ("hang-in-body", "wrong-length", "not-http", "truncated-json"):
        router.post(body(f"silent/{model}"))
        assert content(router.post(body("silent/ok")), False) == TEXT


@pytest.fixture
def impostor():
    """The port of a TLS server whose certificate nobody vouches for, though its name is right."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    received = []

    def serve():
        with suppress(OSError):  # also ends it: the test closes the listening socket
            connection, _ = listening.accept()
            with connection, context.wrap_socket(connection, server_side=True) as secure:
                received.append(secure.recv(65536))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()
    assert received == [], "the key was sent to a server that proved nothing"


def test_certificate_is_verified(router_project, impostor):
    router = router_project(
        {
            "router.toml": "[server]\nport = 0\n[providers.up]\ntype = 'openai'\n"
            f"api_key = 'sk-x'\nbase_url = 'https://127.0.0.1:{impostor}/v1'\n"
        }
    ).serve()
    answer = router.post(body("up/ok"))
    assert (answer.status, answer.error["code"]) == (502, "tls_error")
