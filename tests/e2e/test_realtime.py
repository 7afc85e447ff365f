"""Realtime sessions by the official SDK, against the echo and a vendor over real sockets."""

import json
import signal

import openai
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from .. import sockets
from ..realtime_vendor import USAGE, realtime_vendor
from ..sockets import closed, rows, send, until
from ..support import VENDOR_KEY, Project, poll

pytestmark = [
    pytest.mark.sqlite_suffices,
    pytest.mark.filterwarnings("ignore:connect:DeprecationWarning"),  # how the SDK connects
]

ROUTER_TOML = """
[server]
port = 0
shutdown_seconds = 20
max_message_bytes = 100000
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
[routes.talk]
targets = ["up/status-503", "up/ok"]
[routes.voice]
targets = ["up/ok"]
[routes.logged]
targets = ["up/ok"]
log_requests = true
[prices."up/*"]
input = 1.0
output = 2.0
audio_input = 10.0
audio_output = 20.0
"""


COST = 50 * 1000 + 50 * 1000 + 100 * 10_000 + 40 * 2000 + 60 * 20_000
"""Of a response, in billionths of a US dollar: what was read, cached, heard, written, said."""


@pytest.fixture(scope="module")
def vendor_and_url():
    with realtime_vendor() as made:
        yield made


@pytest.fixture
def vendor(vendor_and_url):
    vendor, _ = vendor_and_url
    vendor.sessions.clear()
    vendor.go.set()
    return vendor


@pytest.fixture(scope="module")
def project(vendor_and_url, tmp_path_factory):
    text = ROUTER_TOML.format(key=VENDOR_KEY, url=vendor_and_url[1])
    made = Project(tmp_path_factory.mktemp("realtime"), {"router.toml": text})
    yield made
    made.close()


@pytest.fixture(scope="module")
def router_process(project):
    """What the tests of this module share; see `router`."""
    return project.serve()


def opened(router, path="/realtime?model=voice", shown=None, **headers):
    return sockets.opened(router, path, shown, **headers)


def events_up_to(connection, *kinds):
    events = []
    for event in connection:
        events.append(event)
        if event.type in kinds:
            return events
    return events


def say(connection, text, **response):
    """Says something; returns the events up to the end of the response."""
    item = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": text}],
    }
    connection.conversation.item.create(item=item)
    connection.response.create(response=response)
    return events_up_to(connection, "response.done", "error")


class TestEcho:
    def test_a_conversation(self, client):
        with client.realtime.connect(model="echo") as connection:
            connection.session.update(
                session={"type": "realtime", "output_modalities": ["text"], "instructions": "Hi."}
            )
            events = say(connection, "Say this.")
        assert [event.type for event in events] == [
            "session.created",
            "session.updated",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "response.output_item.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.output_item.done",
            "response.done",
        ]
        assert events[-1].response.output[0].content[0].text == "Say this."

    def test_speech(self, client):
        with client.realtime.connect(model="echo") as connection:
            connection.input_audio_buffer.append(audio="AAAA" * 12_000)
            connection.input_audio_buffer.commit()
            connection.response.create()
            events = events_up_to(connection, "response.done")
        kinds = [event.type for event in events]
        assert kinds.count("response.output_audio.delta") == 5
        (content,) = events[-1].response.output[0].content
        assert content.transcript == "You spoke for 0.8 seconds."


class TestVendor:
    def test_events_pass_and_each_response_is_a_call(self, client, router, vendor):
        with client.realtime.connect(
            model="voice", extra_headers={"X-Request-Id": "talk-1", "OpenAI-Beta": "realtime=v1"}
        ) as connection:
            for _ in range(2):
                *_, last = say(connection, "Hello?")
                assert last.response.usage.total_tokens == 300
        assert vendor.session.ended.wait(60)
        assert vendor.session.path == "/v1/realtime"
        assert vendor.session.query == {"model": "ok"}
        assert vendor.session.headers["Authorization"] == f"Bearer {VENDOR_KEY}"
        assert vendor.session.headers["OpenAI-Beta"] == "realtime=v1"
        assert vendor.session.types == ["conversation.item.create", "response.create"] * 2
        assert vendor.session.code == 1000
        first, second = rows(router, "talk-1", 2)
        for row in (first, second):
            assert (row["endpoint"], row["model"], row["provider"]) == ("realtime", "voice", "up")
            assert (row["target_model"], row["status"]) == ("ok", 200)
            assert (row["prompt_tokens"], row["completion_tokens"]) == (200, 100)
            assert row["cached_tokens"] == 50
            assert row["audio_prompt_tokens"] == 100  # 20 of them are from the cache
            assert row["audio_completion_tokens"] == 60
            assert row["cost"] == COST
        assert first["call_id"] != second["call_id"]

    def test_a_session_without_a_response_costs_nothing(self, router, vendor):
        with opened(router, **{"X-Request-Id": "quiet"}) as socket:
            until(socket, "session.created")
        (row,) = rows(router, "quiet")
        assert (row["status"], row["prompt_tokens"], row["completion_tokens"]) == (200, 0, 0)

    def test_what_was_heard_is_charged_by_its_own_model(self, router, vendor):
        with opened(router, **{"X-Request-Id": "heard"}) as socket:
            audio = {"input": {"transcription": {"model": "up/writer"}}}
            send(socket, "session.update", session={"type": "realtime", "audio": audio})
            send(socket, "input_audio_buffer.commit")
            until(socket, "conversation.item.input_audio_transcription.completed")
        update = vendor.session.of("session.update")
        assert update["session"]["audio"]["input"]["transcription"] == {"model": "writer"}
        written, session = rows(router, "heard", 2)
        assert (written["target_model"], written["audio_prompt_tokens"]) == ("writer", 20)
        assert session["prompt_tokens"] == 0

    def test_a_transcription(self, router, vendor):
        path = "/realtime?intent=transcription&model=up/writer"
        with opened(router, path, **{"X-Request-Id": "written"}) as socket:
            send(socket, "input_audio_buffer.commit")
            until(socket, "conversation.item.input_audio_transcription.completed")
        assert vendor.session.query == {"intent": "transcription"}
        written, _ = rows(router, "written", 2)
        assert (written["target_model"], written["completion_tokens"]) == ("writer", 10)

    def test_another_target_takes_what_the_first_refuses(self, router, vendor):
        with opened(router, "/realtime?model=talk") as socket:
            until(socket, "session.created")
        assert vendor.session.query == {"model": "ok"}

    @pytest.mark.parametrize(("code", "sent"), [(1000, 1000), (4000, 4000), (1011, 1011)])
    def test_the_vendor_closes_it(self, router, vendor, code, sent):
        with opened(router, f"/realtime?model=up/closes-{code}") as socket:
            send(socket, "response.create")
            seen, reason, _ = closed(socket)
        assert (seen, reason) == (sent, "As told.")

    def test_the_client_closes_it(self, router, vendor):
        with opened(router) as socket:
            until(socket, "session.created")
            socket.close(3001, "Enough.")
        assert vendor.session.ended.wait(60)
        assert (vendor.session.code, vendor.session.reason) == (3001, "Enough.")

    def test_a_client_that_leaves_pays_for_what_came(self, router, vendor):
        with opened(router, "/realtime?model=up/slow", **{"X-Request-Id": "left"}) as socket:
            send(socket, "response.create")
            until(socket, "response.output_audio.delta")
            until(socket, "response.output_audio.delta")
            socket.socket.close()
        (row,) = rows(router, "left")
        vendor.go.set()  # not before: it is left while the response is made
        assert row["status"] == 499
        assert row["usage_estimated"]
        assert row["completion_tokens"] > 0

    def test_what_the_vendor_refuses_is_no_response(self, router, vendor):
        with opened(router, "/realtime?model=up/fails", **{"X-Request-Id": "fails"}) as socket:
            for _ in range(3):
                send(socket, "response.create")
                assert until(socket, "error")["error"]["code"] == "x"
        (row,) = rows(router, "fails")
        assert row["prompt_tokens"] == 0

    def test_one_that_comes_unasked_is_a_call_too(self, router, vendor):
        with opened(router, "/realtime?model=up/vad", **{"X-Request-Id": "vad"}) as socket:
            for _ in range(3):
                send(socket, "input_audio_buffer.append", audio="AAAA")
                until(socket, "response.done")
        assert [row["prompt_tokens"] for row in rows(router, "vad", 3)] == [200] * 3

    def test_the_request_log_has_each_response(self, router, vendor):
        with opened(router, "/realtime?model=logged") as socket:
            for what in ("Sing.", "Dance."):
                send(socket, "response.create", response={"instructions": what})
                until(socket, "response.done")
        query = "SELECT request, response FROM request_logs ORDER BY id"
        logged = poll(lambda: len(it := router.place.ask(query)) >= 2 and it)
        asked = [json.loads(request)["response"]["instructions"] for request, _ in logged]
        assert asked == ["Sing.", "Dance."]
        assert json.loads(logged[1][1])["response"]["usage"] == USAGE


class TestRefusals:
    """All of them are HTTP, in OpenAI's form."""

    def refused(self, router, path="/realtime?model=voice", **headers):
        with pytest.raises(InvalidStatus) as caught, opened(router, path, **headers):
            pass
        response = caught.value.response
        return response.status_code, json.loads(response.body)["error"]["code"]

    def test_a_wrong_key(self, router):
        assert self.refused(router, shown="sk-tr-x") == (401, "invalid_api_key")

    def test_a_model_that_is_not_there(self, router):
        assert self.refused(router, "/realtime?model=nothing") == (404, "model_not_found")

    def test_no_model(self, router):
        assert self.refused(router, "/realtime")[0] == 400

    def test_an_endpoint_or_a_model_that_the_key_may_not_use(self, project, router):
        shown = project.create_key("test", "--endpoint", "embeddings")
        assert self.refused(router, shown=shown) == (403, "endpoint_not_permitted")
        shown = project.create_key("test", "--model", "echo")
        assert self.refused(router, shown=shown) == (403, "model_not_permitted")

    def test_a_budget_that_is_spent(self, project, router):
        shown = project.create_key("test", "--budget", "0")
        assert self.refused(router, shown=shown) == (429, "insufficient_quota")

    def test_a_rate(self, project, router):
        assert self.refused(router, shown=project.create_key("test", "--rpm", "0"))[0] == 429

    def test_what_the_vendor_refuses(self, router, vendor):
        assert self.refused(router, "/realtime?model=up/status-404")[0] == 404

    def test_no_websocket(self, router):
        given = {"Authorization": f"Bearer {router.key}"}
        response = router.request("GET", "/v1/realtime?model=voice", headers=given)
        assert (response.status, response.error["code"]) == (426, "websocket_needed")
        assert response.headers["Upgrade"] == "websocket"

    def test_a_call_id(self, router):
        assert self.refused(router, "/realtime?call_id=rtc_1")[0] == 400


class TestWithinASession:
    def test_a_model_is_held_against_the_key(self, project, router, vendor):
        shown = project.create_key("test", "--model", "voice", "--model", "up/writer")
        with opened(router, shown=shown) as socket:
            for session in (
                {"model": "up/other"},
                {"audio": {"input": {"transcription": {"model": "up/other"}}}},
                {"input_audio_transcription": {"model": "up/other"}},
            ):
                send(socket, "session.update", event_id="mine", session=session)
                error = until(socket, "error")["error"]
                assert (error["code"], error["event_id"]) == ("model_not_permitted", "mine")
            send(socket, "session.update", session={"model": "voice"})
            until(socket, "session.updated")
        assert vendor.session.of("session.update")["session"] == {"model": "ok"}

    def test_what_may_be_read_in_two_ways_does_not_pass(self, router, vendor):
        with opened(router) as socket:
            socket.send('{"type":"session.update","session":{"model":"x"},"type":"a"}')
            assert until(socket, "error")["error"]["code"] == "duplicate_key"
            socket.send("[]")
            assert until(socket, "error")["error"]["code"] == "invalid_json"
            send(socket, "session.update", session={"model": ["x"]})
            assert until(socket, "error")["error"]["code"] == "invalid_type"
        assert vendor.session.ended.wait(60)
        assert vendor.session.events == []

    def test_a_model_of_another_vendor(self, router, vendor):
        with opened(router) as socket:
            send(socket, "session.update", session={"model": "echo"})
            assert until(socket, "error")["error"]["code"] == "session_model_fixed"

    def test_a_rate_refuses_a_response_and_no_more(self, project, router, vendor):
        shown = project.create_key("test", "--rpm", "2")
        with opened(router, shown=shown, **{"X-Request-Id": "rate"}) as socket:
            for _ in range(2):
                send(socket, "response.create")
                until(socket, "response.done")
            send(socket, "response.create", event_id="third")
            error = until(socket, "error")["error"]
            assert (error["code"], error["event_id"]) == ("rate_limit_exceeded", "third")
            send(socket, "session.update", session={})
            until(socket, "session.updated")
        assert vendor.session.types.count("response.create") == 2
        assert [row["status"] for row in rows(router, "rate", 3)] == [200, 200, 429]

    def test_a_budget_ends_it(self, project, router, vendor):
        shown = project.create_key("test", "--budget", "0.004")
        with opened(router, shown=shown, **{"X-Request-Id": "budget"}) as socket:
            for _ in range(5):
                send(socket, "response.create")
                event = json.loads(socket.recv(60))
                while event["type"] not in ("response.done", "error"):
                    event = json.loads(socket.recv(60))
                if event["type"] == "error":
                    break
        assert event["error"]["code"] == "insufficient_quota"
        query = "SELECT SUM(cost) FROM usage_logs WHERE request_id = 'budget'"
        cost = poll(lambda: router.place.ask(query)[0][0])
        assert COST <= cost <= 4_000_000

    def test_a_key_that_is_revoked_ends_it(self, project, router, vendor):
        shown = project.create_key()
        with opened(router, shown=shown) as socket:
            until(socket, "session.created")
            done = project.cli("keys", "list", "--json")
            newest = max(json.loads(done.stdout), key=lambda item: item["id"])
            assert project.cli("keys", "revoke", str(newest["id"])).returncode == 0
            code, _, last = closed(socket)
        assert (code, last["error"]["code"]) == (1008, "invalid_api_key")
        assert vendor.session.ended.wait(60)

    def test_a_binary_message_ends_it(self, router, vendor):
        with opened(router) as socket:
            socket.send(b"\0" * 1000)
            code, _, last = closed(socket)
        assert (code, last["error"]["code"]) == (1003, "binary_message")

    def test_a_message_that_is_too_large_ends_it(self, router, vendor):
        with opened(router) as socket:
            until(socket, "session.created")
            send(socket, "input_audio_buffer.append", audio="A" * 200_000)
            assert closed(socket)[0] == 1009
        assert vendor.session.ended.wait(60)


class TestClientSecrets:
    def connect(self, router, secret, path="/realtime"):
        """As a browser does, which can send no header."""
        url = router.url.replace("http", "ws", 1) + path
        return connect(
            url, subprotocols=["realtime", f"openai-insecure-api-key.{secret}"], open_timeout=60
        )

    def test_a_browser_opens_a_session(self, client, router, vendor):
        made = client.realtime.client_secrets.create(
            session={"type": "realtime", "model": "voice", "instructions": "Be brief."},
            expires_after={"anchor": "created_at", "seconds": 60},
        )
        assert made.value.startswith("ek_")
        assert made.session.model == "voice"
        assert router.key not in made.value
        with self.connect(router, made.value) as socket:
            assert socket.subprotocol == "realtime"
            until(socket, "session.updated")
            send(socket, "response.create")
            until(socket, "response.done")
        assert vendor.session.query == {"model": "ok"}
        assert vendor.session.events[0]["session"] == {
            "type": "realtime",
            "instructions": "Be brief.",
        }
        assert "openai-insecure" not in str(vendor.session.headers)

    def test_an_api_key_serves_as_well(self, router, vendor):
        with self.connect(router, router.key, "/realtime?model=voice") as socket:
            until(socket, "session.created")

    def test_it_is_for_one_model(self, client, router, vendor):
        made = client.realtime.client_secrets.create(session={"type": "realtime", "model": "voice"})
        with pytest.raises(InvalidStatus) as caught:
            self.connect(router, made.value, "/realtime?model=echo")
        assert caught.value.response.status_code == 403
        with self.connect(router, made.value) as socket:
            send(socket, "session.update", session={"model": "up/other"})
            assert until(socket, "error")["error"]["code"] == "session_model_fixed"

    def test_it_opens_nothing_else(self, client, router):
        made = client.realtime.client_secrets.create(session={"type": "realtime", "model": "voice"})
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key=made.value).models.list()
        with pytest.raises(InvalidStatus) as caught:
            self.connect(router, made.value[:-3] + "abc")
        assert caught.value.response.status_code == 401

    def test_it_needs_a_model_that_may_be_used(self, client, project, router):
        with pytest.raises(openai.BadRequestError) as caught:
            client.realtime.client_secrets.create(session={"type": "realtime"})
        assert caught.value.param == "session.model"
        with pytest.raises(openai.NotFoundError):
            client.realtime.client_secrets.create(session={"type": "realtime", "model": "none"})
        limited = client.with_options(api_key=project.create_key("test", "--model", "echo"))
        with pytest.raises(openai.PermissionDeniedError):
            limited.realtime.client_secrets.create(session={"type": "realtime", "model": "voice"})

    def test_one_that_is_too_large(self, client):
        with pytest.raises(openai.BadRequestError) as caught:
            client.realtime.client_secrets.create(
                session={"type": "realtime", "model": "voice", "instructions": "x" * 7000}
            )
        assert caught.value.param == "session"


class TestProcess:
    """What a stop, a reload and another front make of sessions."""

    def serve(self, router_project, url, server="shutdown_seconds = 30"):
        text = ROUTER_TOML.format(key=VENDOR_KEY, url=url)
        project = router_project({"router.toml": text.replace("shutdown_seconds = 20", server)})
        return project, project.serve()

    def test_a_stop_ends_an_idle_session(self, router_project, vendor_and_url, vendor):
        _, router = self.serve(router_project, vendor_and_url[1])
        with opened(router) as socket:
            until(socket, "session.created")
            router.send(signal.SIGTERM)
            assert closed(socket)[0] == 1001
        assert router.wait() == 0
        assert vendor.session.ended.wait(60)
        assert vendor.session.code == 1001

    def test_and_waits_for_a_response(self, router_project, vendor_and_url, vendor):
        _, router = self.serve(router_project, vendor_and_url[1])
        with opened(router, "/realtime?model=up/slow", **{"X-Request-Id": "stop"}) as socket:
            send(socket, "response.create")
            until(socket, "response.output_audio.delta")
            router.send(signal.SIGTERM)
            poll(lambda: "stopping" in router.stderr)
            vendor.go.set()
            until(socket, "response.done")
            assert closed(socket)[0] == 1001
        assert router.wait() == 0
        (row,) = rows(router, "stop")
        assert (row["status"], row["completion_tokens"]) == (200, 100)

    def test_but_not_for_ever(self, router_project, vendor_and_url, vendor):
        _, router = self.serve(router_project, vendor_and_url[1], "shutdown_seconds = 0.5")
        with opened(router, "/realtime?model=up/slow", **{"X-Request-Id": "cut"}) as socket:
            send(socket, "response.create")
            until(socket, "response.output_audio.delta")
            router.send(signal.SIGTERM)
            code, _, last = closed(socket)
        assert (code, last["error"]["code"]) == (1001, "stopped")
        assert router.wait() == 0
        (row,) = rows(router, "cut")
        assert (row["status"], row["error_code"]) == (503, "stopped")
        assert row["completion_tokens"] > 0

    def test_a_reload_leaves_it_open(self, router_project, vendor_and_url, vendor):
        project, router = self.serve(router_project, vendor_and_url[1])
        with opened(router) as socket:
            until(socket, "session.created")
            path = project.folder / "router.toml"
            path.write_text(path.read_text().replace(VENDOR_KEY, "sk-another"))
            router.send(signal.SIGHUP)
            poll(lambda: "loaded " in router.stderr)
            send(socket, "response.create")
            until(socket, "response.done")
            with opened(router) as another:
                until(another, "session.created")
        first, second = vendor.sessions
        assert first.headers["Authorization"] == f"Bearer {VENDOR_KEY}"
        assert second.headers["Authorization"] == "Bearer sk-another"

    def test_tornados_front_serves_them_too(self, router_project, vendor_and_url, vendor):
        server = 'http = "tornado"\nshutdown_seconds = 30'
        _, router = self.serve(router_project, vendor_and_url[1], server)
        with opened(router, **{"X-Request-Id": "tornado"}) as socket:
            send(socket, "response.create")
            until(socket, "response.done")
            router.send(signal.SIGTERM)
            assert closed(socket)[0] == 1001
        assert router.wait() == 0
        (row,) = rows(router, "tornado")
        assert row["completion_tokens"] == 100

    def test_a_killed_router_has_recorded_what_was_said(
        self, router_project, vendor_and_url, vendor
    ):
        project, router = self.serve(router_project, vendor_and_url[1])
        with opened(router, **{"X-Request-Id": "killed"}) as socket:
            send(socket, "response.create")
            until(socket, "response.done")
            router.kill()
        router = project.serve()
        (row,) = rows(router, "killed")
        assert (row["status"], row["completion_tokens"]) == (200, 100)
