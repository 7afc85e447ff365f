"""The process from its first start to its end, and what it tells the world meanwhile."""

import hashlib
import json
import re
import signal
import socket
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import redis as redis_client

from tornado_router.config.reader import environment, load

from ..collector import collector
from ..servers import own_redis
from ..support import SERVE, VENDOR_KEY, Process, connected, events, poll

REPOSITORY = Path(__file__).parents[2]
SHIPPED = (REPOSITORY / "router.toml").read_text()
ECHO = '[server]\nport = 0\n[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'
HELLO = [{"role": "user", "content": "hello out there"}]
PROMPT = "canary-prompt-5e1f"
OWN_KEY = "sk-proj-canary0123456789abcdef"
WRONG_KEY = "sk-tr-canary-wrong"
COLD = pytest.mark.usefixtures("cold_starts")

OPTIONS = {
    "PORT": ("4711", lambda config: str(config.server.port)),
    "DB_PATH": ("elsewhere/my.db", lambda config: config.database.path),
    "JWT_SECRET": ("signing-secret", lambda config: config.auth.jwt_secret),
    "JWT_EXPIRES_IN": ("90m", lambda config: config.auth.jwt_expires_in),
    "REGISTRATION": ("invite", lambda config: config.auth.registration),
    "OPENAI_API_KEY": ("sk-one", lambda config: config.providers["openai"].options["api_key"]),
    "ANTHROPIC_API_KEY": ("sk-2", lambda config: config.providers["anthropic"].options["api_key"]),
    "GOOGLE_API_KEY": ("sk-3", lambda config: config.providers["google"].options["api_key"]),
    "REDIS_HOST": ("redis.internal", lambda config: config.redis.host),
    "REDIS_PORT": ("6380", lambda config: str(config.redis.port)),
    "REDIS_PASSWORD": ("redis-secret", lambda config: config.redis.password),
    "REDIS_DB": ("3", lambda config: str(config.redis.db)),
}
"""Of every variable in .env.example: a value that is not its default, and where it shows."""


def body(model="echo", **more):
    return {"model": model, "messages": HELLO, **more}


def unused_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


# Start


def everything_in(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_first_start_can_leave_the_first_administrator_to_a_command(router_project):
    project = router_project({"router.toml": ECHO + "[auth]\nfirst_admin = false\n"})
    first = project.serve()
    assert "sk-" not in first.stdout
    command, keys = re.findall(r"^    tornado-router (.+)$", first.stdout, re.M)
    assert first.stop() == 0
    words = command.replace("EMAIL", "root@example.com").split()
    assert project.cli(*words, "--password-stdin", input="correct horse 7").returncode == 0
    made = project.cli(*keys.replace("EMAIL", "root@example.com").split())

    second = project.serve()
    assert "new" not in second.stdout
    second.key = made.stdout.strip()
    assert second.post(body()).status == 200


@COLD
def test_first_start_shows_one_key_and_the_second_none(router_project):
    project = router_project({"router.toml": ECHO})
    first = project.serve()
    assert len(re.findall(r"sk-tr-\S+", first.stdout)) == 1
    assert "shown once" in first.stdout
    assert first.post(body()).status == 200
    assert first.stop() == 0

    second = project.serve()
    assert "sk-" not in second.stdout
    second.key = first.key
    assert second.post(body()).status == 200
    assert second.stop() == 0
    assert len(second.usage_rows()) == 2
    assert "sk-tr-" not in first.stderr + second.stderr


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_router_stopped_while_it_starts_ends_in_order(router_project, number):
    project = router_project({"router.toml": ECHO})
    router = Process(SERVE, project.folder, "starting", project.env({}))
    router.printed("The database is new")  # which is said before it serves
    router.send(number)
    assert router.wait() == 0, router.stderr
    assert "stopped" in router.stderr


@pytest.mark.sqlite_suffices
def test_a_router_told_to_reload_while_it_starts_goes_on(router_project):
    project = router_project({"router.toml": ECHO})
    router = Process(SERVE, project.folder, "starting", project.env({}))
    router.printed("The database is new")
    router.send(signal.SIGHUP)
    router.printed("serves on")
    router.send(signal.SIGTERM)
    assert router.wait() == 0, router.stderr


def test_key_is_stored_as_a_digest_only(router_project):
    project = router_project({"router.toml": ECHO})
    router = project.serve()
    assert router.post(body()).status == 200
    poll(router.usage_rows)
    assert router.stop() == 0
    stored = everything_in(project.folder / "data") + project.place.dump().encode()
    assert hashlib.sha256(router.key.encode()).hexdigest().encode() in stored
    assert router.key.encode() not in stored
    # Its first characters are kept, so that a person can tell keys apart; no more of them.
    assert router.key[:16].encode() not in stored


def test_administrator_owns_the_first_key(router_project):
    router = router_project({"router.toml": ECHO}).serve()
    rows = router.place.ask(
        "SELECT u.is_admin, k.is_active, k.permissions FROM users u "
        "JOIN api_keys k ON k.user_id = u.id"
    )
    assert rows == [(1, 1, "[]")]


@pytest.mark.sqlite_suffices
@COLD
def test_shipped_configuration_serves_offline(router_project):
    router = router_project({"router.toml": SHIPPED}).serve(PORT="0")
    assert router.origin.startswith("http://127.0.0.1:")
    answer = router.post(body("default"))
    assert answer.json["choices"][0]["message"]["content"] == "hello out there"
    for name, variable in [("openai", "OPENAI"), ("anthropic", "ANTHROPIC"), ("google", "GOOGLE")]:
        assert re.search(rf"provider {name} \(\w+\): off: .+", router.stdout), variable
    assert "provider echo (echo): on" in router.stdout
    health = router.health()
    assert health["providers"]["openai"]["state"] == "off"
    assert health["providers"]["openai"]["reason"]
    names = [model["id"] for model in router_models(router)]
    assert names == ["echo", "default"] or names == ["default", "echo"]
    assert router.post(body("gpt-4o")).error["code"] == "model_not_found"


def router_models(router):
    headers = {"Authorization": f"Bearer {router.key}"}
    return router.request("GET", "/v1/models", None, headers).json["data"]


@pytest.mark.sqlite_suffices
def test_provider_with_a_key_is_on(router_project):
    router = router_project({"router.toml": SHIPPED}).serve(PORT="0", OPENAI_API_KEY="sk-canary")
    assert "provider openai (openai): on" in router.stdout
    assert "gpt-4o" in [model["id"] for model in router_models(router)]
    assert "sk-canary" not in router.stdout + router.stderr


@pytest.mark.sqlite_suffices
def test_port_comes_from_the_environment(router_project):
    port = unused_port()
    router = router_project({"router.toml": SHIPPED}).serve(PORT=str(port))
    assert router.url == f"http://127.0.0.1:{port}/v1"
    assert router.request("GET", "/health").status == 200


@pytest.mark.sqlite
@COLD
def test_settings_come_from_a_file_beside_the_configuration(router_project):
    project = router_project({"router.toml": SHIPPED, ".env": "PORT=0\nDB_PATH=deep/er/my.db\n"})
    router = project.serve()
    assert router.request("GET", "/health").status == 200
    assert (project.folder / "deep/er/my.db").exists()
    assert not (project.folder / "data/router.db").exists()


def test_every_setting_of_the_example_is_known():
    example = (REPOSITORY / ".env.example").read_text()
    assert re.findall(r"(?m)^([A-Z_]+)=", example) == list(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("beside", [False, True])
def test_setting_takes_effect(tmp_path, name, beside):
    value, read = OPTIONS[name]
    (tmp_path / "router.toml").write_text(SHIPPED)
    if beside:
        (tmp_path / ".env").write_text(f"{name}={value}\n")
    environ = environment(tmp_path, {} if beside else {name: value})
    assert read(load(tmp_path / "router.toml", environ)) == value
    assert read(load(tmp_path / "router.toml", {})) != value


@pytest.mark.sqlite_suffices
@COLD
def test_port_that_is_taken(router_project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        project = router_project({"router.toml": SHIPPED})
        ended = project.cli("serve", PORT=str(port))
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert re.fullmatch(rf"cannot listen on 127.0.0.1:{port}: .+", last)
    assert ended.stdout == ""
    # the key of the first administrator is shown once, so it is for a start that succeeds
    assert "shown once" in project.serve(PORT="0").stdout


@pytest.mark.sqlite_suffices
@COLD
def test_configuration_with_faults_does_not_start(router_project):
    ended = router_project({"router.toml": "[server]\nprot = 1\n"}).cli("serve")
    assert ended.returncode == 1
    assert "server.prot: unknown key; did you mean 'port'?" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.sqlite
def test_database_that_is_none(router_project):
    project = router_project({"router.toml": ECHO})
    (project.folder / "data").mkdir()
    (project.folder / "data/router.db").write_bytes(
        b"this is no database, but it is long enough to look at" * 100
    )
    ended = project.cli("serve")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "router.db" in ended.stderr


# Stop


def ask_held_calls(stack, router, upstream):
    """A whole call and a stream that both run; the stream has begun."""
    whole = stack.enter_context(router.asking(body("gated"), x_request_id="whole"))
    poll(lambda: len(upstream.exchanges()) == 1)
    stream = stack.enter_context(
        router.asking(body("up/gated:50", stream=True), x_request_id="stream")
    )
    poll(lambda: len(upstream.exchanges()) == 2)
    return whole, stream


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_lets_running_calls_end_and_loses_no_row(
    router_project, router_toml, upstream, number
):
    router = router_project({"router.toml": router_toml}).serve()
    with ExitStack() as stack:
        idle = stack.enter_context(connected(router.origin))
        whole, stream = ask_held_calls(stack, router, upstream)
        router.send(number)
        poll(lambda: "requests in progress: 2" in router.stderr)
        with pytest.raises(ConnectionRefusedError):
            router.request("GET", "/health")
        upstream.step(100)
        assert whole.getresponse().read().startswith(b'{"id": "chatcmpl-upstream"')
        received = events(stream.getresponse().read())
        assert len(received) == 53
        assert received[-1] == b"data: [DONE]"
        assert router.wait() == 0
        assert idle.recv(1) == b""
    assert router.log()[-1]["message"] == "stopped"
    rows = {row["request_id"]: row["status"] for row in router.usage_rows()}
    assert rows == {"whole": 200, "stream": 200}
    assert {line["request_id"] for line in router.log() if "request_id" in line} == set(rows)


@pytest.mark.sqlite_suffices
def test_stop_cuts_off_what_outlasts_its_grace(router_project, router_toml, upstream):
    toml = router_toml.replace("[server]", "[server]\nshutdown_seconds = 0.2")
    router = router_project({"router.toml": toml}).serve()
    with ExitStack() as stack:
        asked = ask_held_calls(stack, router, upstream)
        begun = start_stream(router, stack, upstream)
        router.send(signal.SIGTERM)
        assert router.wait() == 0
        *_, last = begun.read().split(b"event: error\ndata: ")
        assert json.loads(last)["error"]["code"] == "stopped"
        for response in (connection.getresponse() for connection in asked):
            assert response.status == 503
            assert json.loads(response.read())["error"]["code"] == "stopped"
    rows = {row["request_id"]: row for row in router.usage_rows()}
    assert set(rows) == {"whole", "stream", "begun"}
    assert {(row["status"], row["error_code"]) for row in rows.values()} == {(503, "stopped")}
    assert rows["begun"]["completion_tokens"] > 0
    assert all(row["prompt_tokens"] > 0 for row in rows.values())
    poll(lambda: [exchange["cut"] for exchange in upstream.exchanges()] == [True] * 3)
    assert "stopping; requests cut off: 3" in [line["message"] for line in router.log()]


def start_stream(router, stack, upstream):
    """A stream of which the first words have come, and no more will."""
    connection = stack.enter_context(
        router.asking(body("hang-in-stream", stream=True), x_request_id="begun")
    )
    response = connection.getresponse()
    for _ in range(6):
        assert response.readline()
    return response


@pytest.mark.sqlite_suffices
@COLD
def test_stop_of_an_idle_router_is_quick_and_clean(router_project):
    router = router_project({"router.toml": ECHO}).serve()
    assert router.post(body()).status == 200
    assert router.stop() == 0
    assert len(router.usage_rows()) == 1
    assert len([line for line in router.log() if line.get("call_id")]) == 1


def test_many_calls_leave_as_many_rows(router_project):
    router = router_project({"router.toml": ECHO}).serve()
    with closing(router.connect()) as connection:
        headers = {"Authorization": f"Bearer {router.key}", "Content-Type": "application/json"}
        for index in range(300):
            data = json.dumps(body(stream=index % 2 == 0))
            connection.request("POST", "/v1/chat/completions", data, headers)
            assert connection.getresponse().read()
    assert router.stop() == 0
    rows = router.usage_rows()
    assert len(rows) == len({row["call_id"] for row in rows}) == 300
    assert {row["total_tokens"] for row in rows} == {6}


# Nothing that is secret is told


NAMES = (
    "jwt",
    "database",
    "otel-header",
    "metrics-token",
    "redis-password",
    "header",
    "url-password",
)
CONFIGURED = {name: f"canary:of:the:{name}:of:this:configuration" for name in NAMES}
"""One for each secret of the configuration, so that a leak says which it is."""

UNMATCHED = "canary-unmatched-7c1e, which no rule of redaction knows"
EMAIL = "canary-4f2a@example.com"
PASSWORD = "correct horse 7 canary-password"


@pytest.fixture
def told():
    with collector() as it:
        yield it


@pytest.fixture
def redis(tmp_path):
    options = ("--requirepass", CONFIGURED["redis-password"], "--rdbcompression", "no")
    with own_redis(tmp_path, *options) as redis:
        yield redis


def with_everything_on(toml, told, redis):
    """The configuration with all that writes anything, and a secret wherever there may be one."""
    everything = f"""
[auth]
jwt_secret = "{CONFIGURED["jwt"]}"
registration = "open"
default_plan = "unlimited"
[database]
password = "{CONFIGURED["database"]}"
[metrics]
token = "{CONFIGURED["metrics-token"]}"
[otel]
endpoint = "{told.url}"
headers = "x-token={CONFIGURED["otel-header"]}"
[redis]
host = "127.0.0.1"
port = {redis.port}
password = "{CONFIGURED["redis-password"]}"
[request_log]
calls = "all"
redact = ["{PROMPT}"]
[routes.cached]
targets = ["up/ok"]
cache_seconds = 600
[providers.userinfo]
type = "openai"
base_url = "http://me:{CONFIGURED["url-password"].replace(":", "%3A")}@127.0.0.1:1/v1"
"""
    toml = toml.replace('"X-Team" = "blue"', f'"X-Team" = "{CONFIGURED["header"]}"')
    return toml.replace("[log]", f'{everything}[log]\nlevel = "debug"')


def ask_everything(router, upstream):
    """Calls that go well or fail in every way, and shows secrets wherever a client can."""
    told = f"{PROMPT}, {OWN_KEY}, {' '.join(CONFIGURED.values())} and {VENDOR_KEY}"
    secret = {"content": told, "role": "user"}
    for model in (
        *("ok", "html", "error-200", "truncated-json", "reset", "up/leak:400", "up/leak:401"),
        *("up/leak:500", "up/plain-status:500", "nobody/x", "stream-error-first", "late/hang"),
        *("cached", "userinfo/m", OWN_KEY, f"up/ok:{OWN_KEY}", f"nobody/{OWN_KEY}"),
    ):
        for stream in (False, True):
            router.post({"model": model, "messages": [secret], "stream": stream})
    for request in (
        {"model": "ok", "messages": [{**secret, "role": PROMPT}]},
        {"model": "ok", "messages": [secret], "temperature": PROMPT},
        {"model": "ok", "messages": PROMPT},
        b'{"model": "ok", "messages": "' + PROMPT.encode(),
        b'{"%s": 1, "%s": 2}' % (PROMPT.encode(), PROMPT.encode()),
        PROMPT.encode(),
    ):
        assert router.post(request).status == 400
    assert router.post(body("ok"), authorization=f"Bearer {WRONG_KEY}").status == 401
    assert router.post(body("ok"), cookie="session=canary-cookie").status == 200
    parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    unmatched = {"model": "cached", "messages": [{"role": "user", "content": UNMATCHED}]}
    unmatched["temperature"] = 0
    for _ in range(2):
        answer = router.post(
            unmatched, x_request_id=OWN_KEY, traceparent=parent, tracestate=f"vendor={OWN_KEY}"
        )
        assert answer.status == 200
        assert OWN_KEY not in str(answer.headers)
    assert answer.headers["x-router-cache"] == "hit"
    for path in (f"/v1/models?api_key={WRONG_KEY}", f"/v1/models/{OWN_KEY}", f"/{OWN_KEY}"):
        router.request("GET", path, None, {"X-Request-Id": f"a {WRONG_KEY}"})
    account = json.dumps({"email": EMAIL, "password": PASSWORD})
    for path in ("/auth/register", "/auth/login"):
        headers = {"Content-Type": "application/json"}
        assert router.request("POST", path, account, headers).status in (200, 201)
    with router.asking({"model": "hang", "messages": [secret]}):
        poll(lambda: upstream.exchanges()[-1]["body"].find(b'"hang"') > 0)
    return [
        router.post({"model": model, "messages": [secret]}, authorization=f"Bearer {key}")
        for model in ("up/leak:400", "up/leak:500", "nobody/x", "userinfo/m", "nope", OWN_KEY)
        for key in (router.key, WRONG_KEY)
    ]


def all_of_redis(redis):
    """Every key and value, in the format of its backups."""
    with redis_client.Redis(port=redis.port, password=CONFIGURED["redis-password"]) as client:
        return b"".join(key + client.dump(key) for key in client.scan_iter())


def test_no_secret_and_no_prompt_is_ever_written(
    told, redis, router_project, router_toml, upstream
):
    """With all on that writes anything: log, metrics, traces, Sentry, request log, cache, Redis."""
    project = router_project({"router.toml": with_everything_on(router_toml, told, redis)})
    router = project.serve(SENTRY_DSN=told.url.replace("http://", "http://public@") + "/1")
    answers = ask_everything(router, upstream)
    poll(lambda: len(told.spans()) > 30)
    show = {"Authorization": f"Bearer {CONFIGURED['metrics-token']}"}
    metrics = router.request("GET", "/metrics", None, show)
    assert metrics.status == 200
    shown = b"".join(answer.body + str(answer.headers).encode() for answer in answers)
    shown += metrics.body + json.dumps(router.health()).encode()
    upstream_saw = b"".join(exchange["body"] for exchange in upstream.exchanges())
    for sent in (PROMPT, UNMATCHED, OWN_KEY):
        assert sent.encode() in upstream_saw
    in_redis = all_of_redis(redis)
    assert router.stop() == 0

    # Nowhere: what lets somebody in, and what the operator has redacted.
    secrets = (router.key, VENDOR_KEY, PROMPT, OWN_KEY, *CONFIGURED.values(), WRONG_KEY)
    secrets += ("canary-cookie", PASSWORD, "vendor internals")
    collected = b"".join(data for _, data in told.raw).decode("utf-8", "replace")
    assert any(path == "/api/1/envelope/" for path, _ in told.raw)
    assert len(router.log()) > 30
    places = {
        "the log": router.stdout.replace(router.key, "", 1) + router.stderr,
        "a collector": collected,
        "an answer": shown.decode(),
        "Redis": in_redis.decode("latin-1"),
    }
    for name, text in places.items():
        for canary in (*secrets, UNMATCHED, EMAIL, "$2b$"):
            assert canary not in text, f"{canary} in {name}"
    stored = everything_in(project.folder / "data") + project.place.dump().encode()
    for canary in secrets[:-1]:  # the answers of a vendor are logged where requests are
        assert canary.encode() not in stored, canary

    # Request logging is there to store what no rule redacts, in its own table.
    assert len(project.place.rows("SELECT * FROM request_logs")) > 30
    for table in project.place.tables():
        rows = str(project.place.ask(f"SELECT * FROM {table}"))
        assert (UNMATCHED in rows) == (table == "request_logs"), table
        assert (EMAIL in rows) == (table == "users"), table

    # Cached responses are in Redis as they are. What they answer cannot be guessed from their keys,
    # as no digest is of something short alone.
    assert b"upstream, word by word" in in_redis
    for guess in (router.key, UNMATCHED, json.dumps(UNMATCHED), EMAIL):
        digest = hashlib.sha256(guess.encode())
        assert digest.hexdigest().encode() not in in_redis
        assert digest.digest() not in in_redis
