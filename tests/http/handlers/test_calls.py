"""Endpoints that call a model: what is refused before it costs anything, and what is written."""

import asyncio
import contextlib

import orjson
import pytest

from tornado_router.calls.account import CallAccount
from tornado_router.endpoints import ENDPOINTS
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.handlers.calls import CallHandler
from tornado_router.observability.trace_context import TraceContext
from tornado_router.provider import Provider
from tornado_router.sse import Decoder
from tornado_router.storage.tables import UsageLog

from ...support import DEADLINE

HELLO = {"model": "echo", "messages": [{"role": "user", "content": "Hello out there"}]}


@pytest.fixture
def ask(http_client, base_url, key):
    async def ask(body, path="/v1/chat/completions", **headers):
        return await http_client.fetch(
            base_url + path,
            method="POST",
            headers={
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                **headers,
            },
            body=body if isinstance(body, bytes) else orjson.dumps(body),
            raise_error=False,
        )

    return ask


def rows(app):
    """The usage rows, once all are written."""
    app.ledger.close()
    return app.storage.call(lambda: list(UsageLog.select().order_by(UsageLog.id).dicts()))


@pytest.mark.gen_test
async def test_a_whole_answer(ask, app):
    answer = await ask(HELLO, **{"X-Request-Id": "mine"})
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "application/json"
    body = orjson.loads(answer.body)
    assert body["choices"][0]["message"]["content"] == "Hello out there"
    (row,) = rows(app)
    assert (row["status"], row["stream"], row["total_tokens"]) == (200, False, 6)
    assert (row["request_id"], row["user"], row["api_key"]) == ("mine", 1, 1)
    assert row["call_id"] != "mine"


@pytest.mark.gen_test
async def test_a_streamed_answer(ask, app):
    answer = await ask({**HELLO, "stream": True})
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in answer.headers
    *chunks, done = [event.data for event in Decoder().feed(answer.body)]
    assert done == b"[DONE]"
    deltas = [orjson.loads(chunk)["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hello out there"
    (row,) = rows(app)
    assert (row["status"], row["stream"], row["total_tokens"]) == (200, True, 6)


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        (b"", 400, None, "invalid_json"),
        (b"{", 400, None, "invalid_json"),
        (b"[]", 400, None, "invalid_type"),
        (b'{"model": "echo", "model": "x"}', 400, None, "duplicate_key"),
        ({**HELLO, "messages": []}, 400, "messages", None),
        ({**HELLO, "messages": [{"role": "wizard"}]}, 400, "messages[0].role", None),
        ({**HELLO, "stream_options": {}}, 400, "stream_options", None),
        ({"messages": HELLO["messages"]}, 400, "model", None),
    ],
)
@pytest.mark.gen_test
async def test_what_is_wrong_is_refused_and_costs_nothing(ask, app, body, status, param, code):
    answer = await ask(body)
    error = orjson.loads(answer.body)["error"]
    assert (answer.code, error["param"]) == (status, param)
    assert code is None or error["code"] == code
    assert error["type"] == "invalid_request_error"
    assert rows(app) == []


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("application/vnd.api+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
@pytest.mark.gen_test
async def test_content_types(ask, content_type, status):
    assert (await ask(HELLO, **{"Content-Type": content_type})).code == status


@pytest.mark.gen_test
async def test_an_unknown_model_is_accounted_for(ask, app):
    answer = await ask({**HELLO, "model": "nope"})
    assert answer.code == 404
    assert orjson.loads(answer.body)["error"]["code"] == "model_not_found"
    (row,) = rows(app)
    assert (row["status"], row["error_code"], row["provider"]) == (404, "model_not_found", None)


@pytest.mark.gen_test
async def test_a_secret_in_the_name_of_a_model_is_told_to_nobody(ask, app, http_client, base_url):
    secret = "sk-proj-0123456789abcdefghij"
    answers = [
        await ask({**HELLO, "model": secret}),
        await ask({**HELLO, "model": f"echo/{secret}"}),
        await ask({"model": f"echo/{secret}", "input": "x"}, "/v1/embeddings"),
        await http_client.fetch(base_url + "/health"),
    ]
    assert orjson.loads(answers[0].body)["error"]["message"] == (
        "The model '[redacted]' does not exist or you do not have access to it."
    )
    for answer in answers:
        assert secret.encode() not in answer.body
        assert secret not in str(answer.headers)
    assert {row["model"] for row in rows(app)} == {"[redacted]"}
    assert secret not in (await app.metrics.build_text()).decode()


@pytest.mark.parametrize(("given", "told"), [("a=1", "a=1"), (f"a=sk-{'x' * 20}", "")])
@pytest.mark.gen_test
async def test_a_secret_in_a_trace_is_not_handed_on(ask, app, monkeypatch, given, told):
    traces = []
    run = app.services.serving.gateway.run

    async def traced(call, envelope, client):
        traces.append(envelope.trace)
        await run(call, envelope, client)

    monkeypatch.setattr(app.services.serving.gateway, "run", traced)
    await ask(HELLO, Traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01", Tracestate=given)
    assert traces == [TraceContext("ab" * 16, "cd" * 8, sampled=True, state=told)]


class TestAnotherEndpoint:
    @pytest.fixture
    def app_files(self):
        return {"router.toml": '[providers.claude]\ntype = "anthropic"\napi_key = "k"\n'}

    @pytest.mark.gen_test
    async def test_it_is_one_that_the_model_does_not_have(self, ask):
        answer = await ask({"model": "claude/x", "input": "x"}, "/v1/embeddings")
        assert answer.code == 400
        assert orjson.loads(answer.body)["error"]["code"] == "unsupported_endpoint"


@pytest.mark.gen_test
async def test_embeddings(ask):
    answer = await ask({"model": "echo", "input": "x"}, "/v1/embeddings")
    assert (answer.code, len(orjson.loads(answer.body)["data"])) == (200, 1)


class TestOtherProviders:
    """The application with another provider behind the model `echo`."""

    @pytest.fixture
    def behave(self, app):
        def behave(**methods):
            made = type("Other", (Provider,), {"capabilities": {"chat.completions": ()}, **methods})
            object.__setattr__(app.services.serving.providers["echo"], "provider", made("echo", {}))

        return behave

    @pytest.mark.gen_test
    async def test_a_provider_sees_the_headers_that_belong_to_the_api(
        self, ask, behave, monkeypatch
    ):
        seen = []

        async def send(self, call, http):
            seen.append(call.headers)
            return {"choices": [{"index": 0}]}

        behave(send=send)
        await ask(HELLO, **{"X-Beta": "a"})
        endpoint = ENDPOINTS["chat.completions"]
        monkeypatch.setattr(type(endpoint), "forwarded_headers", ("x-beta", "x-version"))
        await ask(HELLO, **{"X-Beta": "a,b", "X-Other": "c"})
        await ask(HELLO)
        assert seen == [{}, {"x-beta": "a,b"}, {}]

    @pytest.mark.gen_test
    async def test_what_was_dropped_is_told_in_a_header(self, ask, behave):
        async def send(self, call, http):
            call.dropped += ["seed", "messages[0].content[1]", "a,b\r\nX: é"]
            return {"choices": [{"index": 0}]}

        behave(send=send)
        answer = await ask(HELLO)
        assert answer.headers["X-Router-Dropped-Params"] == (
            "seed, messages[0].content[1], a%2Cb%0D%0AX%3A%20%C3%A9"
        )

    @pytest.mark.gen_test
    async def test_a_bug_of_a_plugin_is_a_502_without_details(self, ask, behave, app):
        async def send(self, call, http):
            raise KeyError(call.body["messages"])

        behave(send=send)
        answer = await ask(HELLO)
        assert answer.code == 502
        assert b"Hello" not in answer.body
        (row,) = rows(app)
        assert (row["status"], row["error_code"]) == (502, "provider_fault")

    @pytest.mark.gen_test
    async def test_a_failure_on_the_way_is_the_last_event(self, ask, behave, app):
        async def stream(self, call, http):
            yield [{"id": "c", "choices": [{"index": 0, "delta": {"content": "x"}}]}]
            raise OSError

        behave(stream=stream)
        answer = await ask({**HELLO, "stream": True})
        assert answer.code == 200
        *_, last = Decoder().feed(answer.body)
        assert last.name == "error"
        assert orjson.loads(last.data)["error"]["code"] == "provider_fault"
        (row,) = rows(app)
        assert row["status"] == 502

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.gen_test
    async def test_a_client_that_goes_away_ends_the_work(
        self, http_server, http_port, app, key, behave, stream
    ):
        began, ended = asyncio.Event(), asyncio.Event()

        async def work():
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async def send(self, call, http):
            await work()

        async def chunks(self, call, http):
            yield [{"id": "c", "choices": [{"index": 0, "delta": {"content": "x" * 40}}]}]
            await work()

        behave(send=send, stream=chunks)
        await self.leave(http_port, key, stream, began)
        await ended.wait()
        assert await app.services.requests.finished(5)
        (row,) = rows(app)
        assert (row["status"], row["error_code"]) == (499, "client_closed")
        assert row["completion_tokens"] == (10 if stream else 0)

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.gen_test
    async def test_a_client_that_leaves_during_the_key_look_up_costs_nothing(
        self, http_server, http_port, app, key, behave, stream, monkeypatch
    ):
        looked_up, left, served = asyncio.Event(), asyncio.Event(), []
        authenticate = BaseHandler.authenticate
        on_connection_close = CallHandler.on_connection_close

        async def slowly(self):
            looked_up.set()
            await left.wait()
            await authenticate(self)

        def closed(self):
            on_connection_close(self)
            left.set()

        async def send(self, call, http):
            served.append(call)
            return {"choices": [{"index": 0}]}

        async def chunks(self, call, http):
            served.append(call)
            yield [{"id": "c", "choices": []}]

        behave(send=send, stream=chunks)
        monkeypatch.setattr(BaseHandler, "authenticate", slowly)
        monkeypatch.setattr(CallHandler, "on_connection_close", closed)
        await self.leave(http_port, key, stream, looked_up)
        async with asyncio.timeout(DEADLINE):
            await left.wait()
        assert await app.services.requests.finished(DEADLINE)
        assert served == []
        assert app.services.bounds.calls == 0
        assert rows(app) == []
        assert 'code="client_closed"' in (await app.metrics.build_text()).decode()

    @pytest.mark.gen_test
    async def test_a_stream_that_the_router_breaks_does_not_look_whole(
        self, http_server, behave, http_port, key, monkeypatch
    ):
        """Not even if it can no longer send an error."""

        async def stream(self, call, http):
            yield [{"id": "c", "choices": [{"index": 0, "delta": {"content": "x"}}]}]
            monkeypatch.setattr(CallAccount, "fail", broken)
            monkeypatch.setattr(CallAccount, "end", broken)

        broke = []

        def broken(*_):
            broke.append(1)
            raise KeyError

        behave(stream=stream)
        reader, writer = await self.leave(http_port, key, True)
        received = b""
        async with asyncio.timeout(DEADLINE):
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(1000):
                    received += data
        writer.close()
        assert broke == [1, 1]
        assert not received.endswith(b"0\r\n\r\n")

    @staticmethod
    async def leave(http_port, key, stream, moment=None):
        """Sends a call and closes the connection at a moment, if one is given."""
        reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
        body = orjson.dumps({**HELLO, "stream": stream})
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (key.encode(), len(body), body)
        )
        if moment:
            await moment.wait()
            writer.close()
        return reader, writer


class TestStop:
    @pytest.mark.gen_test
    async def test_nothing_begins_that_would_be_cut_off(self, ask, app):
        app.services.requests.cutting_off = True
        answer = await ask(HELLO)
        error = orjson.loads(answer.body)["error"]
        assert (answer.code, error["type"], error["code"]) == (503, "server_error", "stopped")
        assert rows(app) == []

    @pytest.mark.gen_test
    async def test_not_even_what_came_just_before(self, ask, app, monkeypatch):
        async def authenticate(self):
            app.services.requests.cutting_off = True

        monkeypatch.setattr(BaseHandler, "authenticate", authenticate)
        answer = await ask(HELLO)
        assert (answer.code, orjson.loads(answer.body)["error"]["code"]) == (503, "stopped")
        assert rows(app) == []
