"""What `check --connect` says of a database, of Redis and of vendors."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tornado_router.provider import Provider
from tornado_router.runtime.connection_check import try_connections
from tornado_router.runtime.loaded_config import load_config
from tornado_router.storage.databases import open_database
from tornado_router.storage.storage import Storage

from ..servers import own_redis

SECRET = 'jwt_secret = "d9c1f2b3a4e5968778695a4b3c2d1e0f"'


class Vendor(BaseHTTPRequestHandler):
    """Lists its models to the right key; below /bare there is no list, below /ill it fails."""

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        keys = [self.headers.get(n) for n in ("Authorization", "x-api-key", "x-goog-api-key")]
        right = {"Bearer right", "right"} & set(keys)
        status = 200 if right else 401
        if self.path.startswith("/bare"):
            status = 404
        elif self.path.startswith("/ill"):
            status = 503
        words = "fine" if status == 200 else "no, not with that key"
        body = json.dumps({"error": {"message": words}}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def vendor():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tried(tmp_path):
    """The trials of a file, by name: the outcome, and whether it failed."""

    def tried(text):
        path = tmp_path / "router.toml"
        path.write_text(text)
        trials = try_connections(load_config(path, {}))
        return {trial.name: (trial.outcome, trial.failed) for trial in trials}

    return tried


def provider(vendor, kind, key, path=""):
    url = f"http://127.0.0.1:{vendor.server_address[1]}{path}"
    return f'[providers.p]\ntype = "{kind}"\napi_key = "{key}"\nbase_url = "{url}"\n'


@pytest.mark.parametrize("kind", ["openai", "anthropic", "google", "openrouter", "azure"])
def test_a_vendor_that_takes_the_key(tried, vendor, kind):
    if kind == "azure":  # whose header is its own
        text = provider(vendor, kind, "x") + 'headers = {Authorization = "Bearer right"}\n'
    else:
        text = provider(vendor, kind, "right")
    assert tried(text)["provider p"] == ("responds, and takes the credentials", False)
    assert (
        vendor.seen[-1][0].partition("?")[0].endswith("/key" if kind == "openrouter" else "/models")
    )


@pytest.mark.parametrize("kind", ["openai", "anthropic", "google", "mistral"])
def test_a_vendor_that_refuses_the_key(tried, vendor, kind):
    outcome, failed = tried(provider(vendor, kind, "wrong"))["provider p"]
    assert failed
    assert "no, not with that key" in outcome


def test_a_vendor_without_a_list_of_models(tried, vendor):
    outcome, failed = tried(provider(vendor, "openai", "right", "/bare"))["provider p"]
    assert not failed
    assert outcome.startswith("responds; http://127.0.0.1")
    assert outcome.endswith("/bare/models is not there to try the credentials")


def test_a_vendor_that_fails(tried, vendor):
    outcome, failed = tried(provider(vendor, "openai", "right", "/ill"))["provider p"]
    assert failed
    assert "status 503" in outcome


def test_a_vendor_that_cannot_be_reached_is_given_with_the_cause(tried, closed_port):
    text = f'[providers.p]\ntype = "openai"\nbase_url = "http://127.0.0.1:{closed_port}/v1"\n'
    outcome, failed = tried(text)["provider p"]
    assert failed
    assert f"127.0.0.1:{closed_port}" in outcome
    assert "Connect call failed" in outcome


def test_a_provider_without_a_probe_is_connected_to(tried, vendor, monkeypatch):
    monkeypatch.setattr("tornado_router_openai.provider.OpenAIProvider.probe", Provider.probe)
    seen = len(vendor.seen)
    outcome, failed = tried(provider(vendor, "openai", "secret"))["provider p"]
    assert not failed
    assert outcome.endswith("responds; the credentials were not tried")
    assert "secret" not in str(vendor.seen[seen:])


def test_a_provider_that_connects_to_nothing(tried):
    trials = tried('[providers.echo]\ntype = "echo"\n')
    assert trials["provider echo"] == ("has nothing to connect to", False)


def test_a_fault_of_a_plugin_is_that_of_one_trial(tried, monkeypatch):
    def fail(_):
        raise ValueError("by the plugin")

    monkeypatch.setattr("tornado_router_echo.EchoProvider.probe", fail, raising=False)
    trials = tried('[providers.echo]\ntype = "echo"\n')
    assert trials["provider echo"] == ("ValueError: by the plugin", True)


def test_a_database_file(tried, tmp_path):
    path = tmp_path / "data" / "router.db"
    assert tried("")[f"database {path}"] == ("will be made by the first start", False)
    assert not path.parent.exists()
    Storage(path).close()
    assert tried("")[f"database {path}"] == ("responds", False)
    path.write_text("no database, but longer than the header of one " * 20)
    assert tried("")[f"database {path}"] == ("file is not a database", True)


def test_a_database_file_without_a_schema(tried, tmp_path):
    path = tmp_path / "data" / "router.db"
    database = open_database(path)
    database.open()
    database.close()
    outcome, failed = tried("")[f"database {path}"]
    assert (outcome, failed) == ("responds; the next start brings its schema up to date", False)


def test_a_database_server_that_is_away(tried, closed_port):
    ((name, (outcome, failed)),) = tried(
        f'[database]\nurl = "postgresql://me:canary@127.0.0.1:{closed_port}/x"\n'
    ).items()
    assert failed
    assert "refused" in outcome
    assert "canary" not in name + outcome


def test_a_redis_that_may_evict_limits(tried, tmp_path):
    with own_redis(tmp_path, "--maxmemory-policy", "allkeys-lru") as redis:
        text = f'[auth]\n{SECRET}\n[redis]\nhost = "127.0.0.1"\nport = {redis.port}'
        words, failed = tried(text)[f"redis 127.0.0.1:{redis.port}"]
    assert "may evict limits: its maxmemory-policy is allkeys-lru" in words
    assert not failed


def test_a_redis_that_does_not_say_which_it_is(tried, tmp_path):
    with own_redis(tmp_path) as redis:
        redis.ask("ACL", "SETUSER", "default", "-info")
        text = f'[auth]\n{SECRET}\n[redis]\nhost = "127.0.0.1"\nport = {redis.port}'
        words, failed = tried(text)[f"redis 127.0.0.1:{redis.port}"]
    assert "INFO is forbidden" in words
    assert not failed


def test_redis(tried, tmp_path, closed_port):
    with own_redis(tmp_path) as redis:
        text = f'[auth]\n{SECRET}\n[redis]\nhost = "127.0.0.1"\nport = '
        assert tried(f"{text}{redis.port}")[f"redis 127.0.0.1:{redis.port}"] == ("responds", False)
        wrong = tried(f'{text}{redis.port}\npassword = "wrong"\n')
        assert wrong[f"redis 127.0.0.1:{redis.port}"][1]
    assert tried(f"{text}{closed_port}")[f"redis 127.0.0.1:{closed_port}"][1]


@pytest.mark.sqlite_suffices
def test_the_command(router_project, vendor, closed_port):
    good = '[providers.echo]\ntype = "echo"\n' + provider(vendor, "openai", "right")
    ended = router_project({"router.toml": good}).cli("check", "--connect")
    assert ended.returncode == 0
    assert "provider p: responds, and takes the credentials\n" in ended.stdout
    bad = router_project({"router.toml": good.replace('"right"', '"sk-canary-wrong"')})
    ended = bad.cli("check", "--connect")
    assert ended.returncode == 1
    assert "provider p: FAILED: " in ended.stdout
    assert ended.stderr.endswith("router.toml: no faults, but 1 connection failed\n")
    assert "canary" not in ended.stdout + ended.stderr
