"""`/v1/responses` by websocket: the official SDK's, and one without it, at the whole router."""

import json

import openai
import pytest
from websockets.exceptions import InvalidStatus

from .. import sockets
from ..sockets import closed, rows, until
from ..support import VENDOR_KEY, Project, poll
from ..upstream import TEXT

pytestmark = [
    pytest.mark.sqlite_suffices,
    pytest.mark.filterwarnings("ignore:connect:DeprecationWarning"),  # how the SDK connects
]

ROUTER_TOML = """
[server]
port = 0
shutdown_seconds = 20
max_body_bytes = 200000
[log]
format = "json"
[request_log]
calls = "chosen"
[auth]
bcrypt_rounds = 4
[providers.echo]
type = "echo"
models = ["echo"]
[providers.up]
type = "openai"
api_key = "{key}"
base_url = "{url}/v1"
models = ["ok", "stream-cut", "*"]
[routes.behind]
targets = ["up/status:503", "up/ok"]
[routes.logged]
targets = ["up/ok"]
log_requests = true
[prices."up/*"]
input = 1.0
output = 2.0
"""


@pytest.fixture(scope="module")
def project(upstream_process, tmp_path_factory):
    text = ROUTER_TOML.format(key=VENDOR_KEY, url=upstream_process.url)
    made = Project(tmp_path_factory.mktemp("socket"), {"router.toml": text})
    yield made
    made.close()


@pytest.fixture(scope="module")
def router_process(project):
    """What the tests of this module share; see `router`."""
    return project.serve()


def opened(router, shown=None, **headers):
    return sockets.opened(router, "/responses", shown, **headers)


def send(socket, **fields):
    sockets.send(socket, "response.create", **fields)


def refusal(socket):
    return until(socket, "error")


def create(connection, **asked):
    """Asks for a response; returns its events."""
    connection.response.create(**asked)
    events = []
    for event in connection:
        events.append(event)
        if event.type in ("response.completed", "response.failed", "response.incomplete", "error"):
            break
    return events


def asked(upstream):
    """The messages of each request that the vendor got, by who says what."""
    return [
        [(message["role"], message["content"]) for message in json.loads(it["body"])["messages"]]
        for it in upstream.exchanges()
    ]


SAID = ("assistant", TEXT)
OTHER = {"model": "ok", "messages": [{"role": "user", "content": "x"}]}


class TestConversations:
    @pytest.mark.parametrize("store", [False, True])
    def test_one_goes_on_by_the_ids_of_its_responses(self, client, router, upstream, store):
        request_id, previous = f"goes-on-{store}", openai.omit
        with client.responses.connect(extra_headers={"X-Request-Id": request_id}) as connection:
            for text in ("One?", "Two?", "Three?"):
                events = create(
                    connection, model="ok", input=text, store=store, previous_response_id=previous
                )
                assert [event.sequence_number for event in events] == list(range(len(events)))
                last = events[-1].response
                assert (last.status, last.output_text) == ("completed", TEXT)
                assert last.previous_response_id == (previous or None)
                previous = last.id
        one, two = ("user", "One?"), ("user", "Two?")
        assert asked(upstream)[-1] == [one, SAID, two, SAID, ("user", "Three?")]
        for row in rows(router, request_id, 3):
            assert (row["endpoint"], row["status"]) == ("responses", 200)
            assert (row["prompt_tokens"], row["completion_tokens"]) == (11, 7)
            assert row["cost"] == 11 * 1000 + 7 * 2000

    def test_what_is_kept_and_what_is_not_make_one_conversation(self, client, upstream):
        previous = client.responses.create(model="ok", input="0").id
        with client.responses.connect() as connection:
            for number, store in enumerate((False, False, True, False), 1):
                *_, last = create(
                    connection,
                    model="ok",
                    input=str(number),
                    store=store,
                    previous_response_id=previous,
                )
                previous = last.response.id
                if store:
                    kept = previous
        *_, last = asked(upstream)
        assert [text for who, text in last if who == "user"] == ["0", "1", "2", "3", "4"]
        client.responses.create(model="ok", input="5", previous_response_id=kept)
        *_, last = asked(upstream)
        assert [text for who, text in last if who == "user"] == ["0", "1", "2", "3", "5"]

    def test_what_is_not_kept_ends_with_its_websocket(self, client):
        with client.responses.connect() as connection:
            *_, last = create(connection, model="echo", input="Hi", store=False)
        again = last.response.id
        with client.responses.connect() as connection:
            (event,) = create(connection, model="echo", input="And?", previous_response_id=again)
        assert (event.status, event.error.code) == (400, "previous_response_not_found")
        assert event.error.param == "previous_response_id"
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(again)

    def test_one_is_prepared_without_the_vendor(self, client, router, upstream):
        with client.responses.connect(extra_headers={"X-Request-Id": "warm"}) as connection:
            asks = {"role": "developer", "content": "Be brief."}
            events = create(connection, model="ok", input=[asks], generate=False, store=False)
            kinds = ["response.created", "response.in_progress", "response.completed"]
            assert [event.type for event in events] == kinds
            warm = events[-1].response
            assert (warm.output, warm.usage.total_tokens) == ([], 0)
            assert asked(upstream) == []
            create(connection, model="ok", input="Hi", previous_response_id=warm.id, store=False)
        assert [text for _, text in asked(upstream)[-1]] == ["Be brief.", "Hi"]
        prepared, _ = rows(router, "warm", 2)
        assert (prepared["status"], prepared["model"], prepared["cost"]) == (200, "ok", 0)
        assert (prepared["prompt_tokens"], prepared["provider"]) == (0, None)

    def test_the_echo_serves_it(self, client):
        with client.responses.connect() as connection:
            *_, last = create(connection, model="echo", input="Say this.", store=False)
        assert last.response.output_text == "Say this."

    def test_a_fallback_is_not_seen(self, client, upstream):
        with client.responses.connect() as connection:
            events = create(connection, model="behind", input="Hi", store=False)
        assert [event.type for event in events].count("response.created") == 1
        assert events[-1].response.output_text == TEXT
        assert len(upstream.exchanges()) == 2

    def test_the_request_log_has_each_response(self, client, router):
        with client.responses.connect() as connection:
            for text in ("Sing.", "Dance."):
                create(connection, model="logged", input=text, store=False)
        query = "SELECT request, response FROM request_logs ORDER BY id"
        logged = poll(lambda: len(it := router.place.ask(query)) >= 2 and it)
        assert [json.loads(request)["input"] for request, _ in logged] == ["Sing.", "Dance."]
        assert json.loads(logged[1][1])["usage"]["total_tokens"] == 18


class TestLanes:
    def test_they_are_served_side_by_side_and_each_in_order(self, router, upstream):
        with opened(router) as socket:
            send(socket, model="up/gated:1", input="A", stream_id="a", store=False)
            send(socket, model="up/gated:1", input="B", stream_id="a", store=False)
            poll(lambda: len(upstream.exchanges()) == 1)
            send(socket, model="ok", input="C", stream_id="b", store=False)
            send(socket, model="ok", input="D", store=False)
            ended = [until(socket, "response.completed") for _ in range(2)]
            assert {event.get("stream_id") for event in ended} == {"b", None}
            assert [messages[0][1] for messages in asked(upstream)].count("B") == 0
            upstream.step(9)
            assert until(socket, "response.completed")["stream_id"] == "a"
            poll(lambda: ("user", "B") in asked(upstream)[-1])
            upstream.step(9)
            assert until(socket, "response.completed")["stream_id"] == "a"

    def test_a_conversation_forks(self, router, upstream):
        with opened(router) as socket:
            send(socket, model="ok", input="Plan.", stream_id="main", store=False)
            plan = until(socket, "response.completed")["response"]["id"]
            for lane, text in (("critic", "Find gaps."), ("main", "Go on.")):
                send(
                    socket,
                    model="ok",
                    input=text,
                    stream_id=lane,
                    store=False,
                    previous_response_id=plan,
                )
                assert until(socket, "response.completed", "error")["stream_id"] == lane
        begin = [("user", "Plan."), SAID]
        assert asked(upstream)[1:] == [[*begin, ("user", it)] for it in ("Find gaps.", "Go on.")]

    def test_there_are_so_many(self, router):
        with opened(router) as socket:
            for number in range(33):
                send(socket, model="echo", input="x", stream_id=f"lane-{number}", store=False)
            ends = {}
            while len(ends) < 33:
                event = json.loads(socket.recv(60))
                if event["type"] in ("response.completed", "error"):
                    ends[event["stream_id"]] = event
            error = ends.pop("lane-32")
            assert error["error"]["code"] == "websocket_stream_limit_reached"
            assert {event["type"] for event in ends.values()} == {"response.completed"}

    def test_so_many_requests_wait(self, router, upstream):
        with opened(router) as socket:
            for _ in range(81):
                send(socket, model="up/hang", input="x", store=False)
            error = refusal(socket)
            assert (error["status"], error["error"]["code"]) == (429, "websocket_queue_full")
            upstream.exchange()
        poll(lambda: upstream.exchange()["cut"])


class TestBadInput:
    @pytest.mark.parametrize(
        ("message", "code", "param"),
        [
            ("{", "invalid_json", None),
            ("[]", "invalid_json", None),
            ("{}", "missing_required_parameter", "type"),
            ('{"type":"session.update"}', "invalid_value", "type"),
            ('{"type":"response.create","stream_id":""}', "invalid_stream_id", "stream_id"),
            ('{"type":"response.create","stream_id":1}', "invalid_stream_id", "stream_id"),
            ('{"type":"response.create","model":"ok","model":"b"}', "duplicate_key", None),
            (
                '{"type":"response.create","input":"x"}',
                "missing_required_parameter",
                "model",
            ),
            (
                '{"type":"response.create","model":"ok","input":[{"role":"user","content":1}]}',
                "invalid_type",
                "input[0].content",
            ),
            (
                '{"type":"response.create","model":"ok","input":"x","generate":1}',
                "invalid_type",
                "generate",
            ),
            (
                '{"type":"response.create","model":"ok","input":"x","background":true}',
                None,
                "background",
            ),
            ('{"type":"response.create","model":"none","input":"x"}', "model_not_found", "model"),
        ],
    )
    def test_is_refused_precisely_and_the_websocket_goes_on(self, router, message, code, param):
        with opened(router) as socket:
            socket.send(message)
            error = json.loads(socket.recv(60))
            assert (error["type"], error["error"]["code"]) == ("error", code), error
            assert error["error"]["param"] == param
            assert error["status"] == (404 if code == "model_not_found" else 400)
            send(socket, model="echo", input="Still there?", store=False)
            until(socket, "response.completed")

    def test_a_refusal_is_logged_and_counted(self, router):
        with opened(router, **{"X-Request-Id": "refused-message"}) as socket:
            send(socket, model="ok", input=5)
            assert refusal(socket)["error"]["param"] == "input"
        line = poll(
            lambda: [it for it in router.log() if it.get("request_id") == "refused-message"]
        )[0]
        assert (line["status"], line["error_code"]) == (400, "invalid_type")

    def test_a_response_is_not_steered(self, router):
        with opened(router) as socket:
            event = {"type": "response.steer", "previous_response_id": "r", "input": "Faster."}
            socket.send(json.dumps(event))
            failed = until(socket, "response.steer.failed")
            assert failed["error"]["code"] == "steering_not_supported"
            assert failed["steer"] == {"previous_response_id": "r", "input": "Faster."}

    def test_what_codex_notes_needs_no_reply(self, router):
        with opened(router) as socket:
            socket.send('{"type":"response.processed","response_id":"r"}')
            send(socket, model="echo", input="Hi", store=False)
            assert json.loads(socket.recv(60))["type"] == "response.created"

    def test_a_binary_message_ends_it(self, router):
        with opened(router) as socket:
            socket.send(b"\0" * 1000)
            code, _, last = closed(socket)
        assert (code, last["error"]["code"]) == (1003, "binary_message")

    def test_a_message_that_is_too_large_ends_it(self, router):
        with opened(router) as socket:
            send(socket, model="echo", input="x" * 300_000)
            assert closed(socket)[0] == 1009


class TestRefusalsBefore:
    """They are HTTP, in OpenAI's form."""

    def refused(self, router, **given):
        with pytest.raises(InvalidStatus) as caught, opened(router, **given):
            pass
        response = caught.value.response
        return response.status_code, json.loads(response.body)["error"]["code"]

    def test_a_wrong_key(self, router):
        assert self.refused(router, shown="sk-tr-x") == (401, "invalid_api_key")

    def test_a_key_for_another_endpoint(self, project, router):
        shown = project.create_key("test", "--endpoint", "embeddings")
        assert self.refused(router, shown=shown) == (403, "endpoint_not_permitted")

    def test_no_websocket(self, router):
        given = {"Authorization": f"Bearer {router.key}"}
        response = router.request("GET", "/v1/responses", headers=given)
        assert (response.status, response.error["code"]) == (426, "websocket_needed")
        assert response.headers["Upgrade"] == "websocket"


class TestWhatEndsIt:
    def test_limits_refuse_a_response_and_no_more(self, project, router):
        shown = project.create_key("test", "--rpm", "2", "--model", "ok")
        with opened(router, shown, **{"X-Request-Id": "rate"}) as socket:
            send(socket, model="echo", input="x")
            assert refusal(socket)["error"]["code"] == "model_not_permitted"
            send(socket, model="ok", input="x", store=False)
            until(socket, "response.completed")
            send(socket, model="ok", input="x", store=False, stream_id="third")
            error = refusal(socket)
            assert (error["status"], error["stream_id"]) == (429, "third")
            assert error["error"]["code"] == "rate_limit_exceeded"
            assert error["headers"] == error["error"]["headers"]
            assert int(error["headers"]["Retry-After"]) > 0
        assert [row["status"] for row in rows(router, "rate", 3)] == [403, 200, 429]

    def test_a_vendor_that_fails_ends_its_response_alone(self, router, upstream):
        with opened(router) as socket:
            send(socket, model="up/status:400", input="x", store=False)
            assert refusal(socket)["status"] == 400
            send(socket, model="up/stream-cut", input="x", store=False)
            until(socket, "response.output_text.delta")
            upstream.step()
            assert until(socket, "response.failed")["response"]["error"]["message"]
            send(socket, model="ok", input="x", store=False)
            until(socket, "response.completed")

    def test_a_key_that_is_revoked(self, project, router):
        shown = project.create_key()
        with opened(router, shown) as socket:
            send(socket, model="echo", input="x", store=False)
            until(socket, "response.completed")
            done = project.cli("keys", "list", "--json")
            newest = max(json.loads(done.stdout), key=lambda item: item["id"])
            assert project.cli("keys", "revoke", str(newest["id"])).returncode == 0
            code, _, last = closed(socket)
        assert (code, last["error"]["code"]) == (1008, "invalid_api_key")

    def test_a_client_that_leaves_ends_what_it_asked_for(self, router, upstream):
        with opened(router, **{"X-Request-Id": "left"}) as socket:
            send(socket, model="up/hang-in-stream", input="x", store=False)
            until(socket, "response.output_text.delta")
            socket.socket.close()
        (row,) = rows(router, "left", 1)
        assert (row["status"], row["usage_estimated"]) == (499, 1)
        assert poll(lambda: upstream.exchange()["cut"])

    def test_a_client_that_does_not_read_holds_up_the_vendor(self, router, upstream):
        with opened(router) as socket:
            send(socket, model="up/stream-flood", input="x", store=False)
            until(socket, "response.output_text.delta")

            def sent_beside_calls():
                """What the vendor has sent once others were served by the same two processes."""
                for _ in range(5):
                    assert router.post(OTHER).status == 200
                return upstream.exchanges()[0]["sent"]

            def stands():
                before = sent_beside_calls()
                return sent_beside_calls() == before and before

            assert poll(stands) < 20_000_000
            for _ in range(20):
                until(socket, "response.output_text.delta")
            socket.socket.close()
        assert poll(lambda: upstream.exchanges()[0]["cut"])

    def test_a_stop(self, router_project, upstream):
        text = ROUTER_TOML.format(key=VENDOR_KEY, url=upstream.url).replace(
            "shutdown_seconds = 20", "shutdown_seconds = 0.5"
        )
        router = router_project({"router.toml": text}).serve()
        with opened(router) as idle, opened(router) as busy:
            send(busy, model="up/hang-in-stream", input="x", store=False)
            send(busy, model="up/hang", input="x", store=False, stream_id="silent")
            until(busy, "response.output_text.delta")
            poll(lambda: len(upstream.exchanges()) == 2)
            router.send(15)
            assert closed(idle)[:2] == (1001, "The router is shutting down.")
            ends = {}
            while len(ends) < 2:
                event = until(busy, "response.failed", "error")
                ends[event.get("stream_id")] = event
            assert ends["silent"]["status"] == 503
            assert ends[None]["response"]["status"] == "failed"
            assert closed(busy)[0] == 1001
        assert router.wait() == 0
