"""A file that is read and proven, and what stays the same when it is read again."""

import sys

import pytest

from tornado_router.errors import ConfigError
from tornado_router.runtime.loaded_config import load_config

ECHO = '[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'
SECRETS = """
[database]
url = "postgresql://router:canary-1@db/name"
password = "canary-2"
[redis]
password = "canary-3"
[auth]
jwt_secret = "canary-4-is-longer-than-the-others-are"
registration = "closed"
[metrics]
token = "canary-5"
[otel]
endpoint = "http://localhost:4318"
headers = "x-team=blue, x-token=canary-6"
[providers.up]
type = "openai"
api_key = "canary-7"
base_url = "https://router:canary-8@llm.example/v1"
headers = {X-Gateway = "Bearer canary-9"}
proxy = "http://router:canary-10@proxy.example:3128"
"""


@pytest.fixture
def read(tmp_path):
    def read(text, before=None, **environ):
        (tmp_path / "router.toml").write_text(text)
        return load_config(tmp_path / "router.toml", environ, before=before)

    return read


class TestReadDeployment:
    def test_a_right_file(self, read):
        loaded = read(ECHO + '[routes.fast]\ntargets = ["echo/echo"]')
        assert loaded.config.routes["fast"].targets == ("echo/echo",)
        assert loaded.providers["echo"].provider is not None
        assert "echo" in loaded.plugins.types

    def test_faults_of_providers_and_routes_come_together(self, read):
        with pytest.raises(ConfigError) as caught:
            read(
                '[providers.echo]\ntype = "ecoh"\n'
                '[providers.two]\ntype = "echo"\ndelay = 1\n'
                '[routes.a]\ntargets = ["nobody/x", "echo/y"]'
            )
        assert [fault.where for fault in caught.value.faults] == [
            "providers.echo.type",
            "providers.two.delay",
            "routes.a.targets[0]",
        ]

    def test_a_proxy_has_to_be_one(self, read):
        wrong = ECHO.replace("models", 'proxy = "socks5://u:secret@proxy.corp"\nmodels')
        for text, environ in ((wrong, {}), (ECHO, {"HTTPS_PROXY": "socks5://u:secret@proxy.corp"})):
            with pytest.raises(ConfigError) as caught:
                read(text, **environ)
            (fault,) = caught.value.faults
            assert fault.where == "providers.echo.proxy"
            assert "http://proxy.example.com:3128" in fault.message
            assert "secret" not in str(caught.value)

    def test_the_variables_of_proxies_may_stand_beside_the_file(self, read, tmp_path):
        (tmp_path / ".env").write_text(
            "HTTPS_PROXY=http://one:1\nhttp_proxy=http://two:2\nNO_PROXY=a\nPASSWORD=secret\n"
        )
        loaded = read(ECHO, HTTPS_PROXY="http://three:3")
        assert loaded.proxy_variables == {
            "HTTPS_PROXY": "http://three:3",
            "http_proxy": "http://two:2",
            "NO_PROXY": "a",
        }
        (tmp_path / ".env").write_text("HTTPS_PROXY=socks5://proxy.corp")
        with pytest.raises(ConfigError, match="HTTPS_PROXY in the environment must be a URL"):
            read(ECHO)

    def test_a_body_has_to_fit_into_the_room_of_all(self, read):
        with pytest.raises(ConfigError) as caught:
            read(ECHO + "[server]\nmax_memory = 2000000\nmax_body_bytes = 2000001")
        assert [fault.where for fault in caught.value.faults] == ["server.max_memory"]
        read(ECHO + "[server]\nmax_memory = 2000000\nmax_body_bytes = 2000000")

    def test_an_env_file_beside_it_is_read(self, read, tmp_path):
        (tmp_path / ".env").write_text("PORT=4000\nHOST=127.0.0.1\n")
        loaded = read('server = {port = "${PORT}", host = "${HOST}"}', HOST="::1")
        assert (loaded.config.server.port, loaded.config.server.host) == (4000, "::1")

    def test_what_is_unsafe_is_a_fault(self, read):
        with pytest.raises(ConfigError) as caught:
            read('server = {host = "0.0.0.0"}\nauth = {registration = "open"}')
        assert [fault.where for fault in caught.value.faults] == [
            "auth.jwt_secret",
            "auth.default_plan",
        ]

    def test_secrets_are_those_of_all_tables(self, read):
        secrets = read(SECRETS).secrets()
        assert {secret[:8] for secret in secrets} >= {f"canary-{n}" for n in range(1, 10)}
        assert "router" not in secrets

    def test_a_key_of_the_router_is_not_sent_to_a_vendor(self, read):
        openai = '[providers.openai]\ntype = "openai"\napi_key = "${OPENAI_API_KEY}"\n'
        with pytest.raises(ConfigError) as caught:
            read(openai, OPENAI_API_KEY="sk-tr-canary")
        (fault,) = caught.value.faults
        assert fault.where == "providers.openai.api_key"
        assert fault.message.startswith("begins with sk-tr-, so it is an API key of this router")
        assert "canary" not in fault.message

    def test_a_router_may_be_behind_a_router(self, read):
        text = '[providers.up]\ntype = "openai"\napi_key = "sk-tr-x"\n'
        loaded = read(text + 'base_url = "https://router.example/v1"\n')
        assert loaded.providers["up"].provider


class TestReadAgain:
    def test_a_provider_whose_table_is_the_same_is_the_same(self, read):
        two = '[providers.two]\ntype = "echo"\nmodels = ["b"]\n'
        before = read(ECHO + two)
        after = read(two + ECHO.replace('"echo"]', '"echo", "more"]'), before)
        assert after.plugins is before.plugins
        assert after.providers["two"] is before.providers["two"]
        assert after.providers["echo"] is not before.providers["echo"]

    def test_a_variable_that_changed_makes_another_provider(self, read):
        text = '[providers.up]\ntype = "openai"\napi_key = "${KEY}"\n'
        before = read(text, KEY="sk-1")
        assert read(text, before, KEY="sk-1").providers["up"] is before.providers["up"]
        after = read(text, before, KEY="sk-2").providers["up"]
        assert after.secrets == ("sk-2",)

    def test_its_faults_are_found_as_ever(self, read):
        before = read(ECHO)
        with pytest.raises(ConfigError):
            read(ECHO + '[routes.a]\ntargets = ["nobody/x"]', before)


class TestWhatTheStartNeeds:
    def test_the_driver_of_the_database(self, read, monkeypatch):
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(ConfigError) as caught:
            read('[database]\nurl = "postgresql://db/name"\n')
        assert str(caught.value) == (
            "database.url: PostgreSQL needs a package: pip install 'tornado-llm-router[postgres]'"
        )

    def test_a_password_that_would_be_taken_for_a_host(self, read):
        with pytest.raises(ConfigError) as caught:
            read('[database]\nurl = "postgresql://me:p@ss@db/name"\n')
        assert [fault.where for fault in caught.value.faults] == ["database.url"]
        assert "p@ss" not in str(caught.value)

    def test_a_folder_is_not_a_database(self, read, tmp_path):
        with pytest.raises(ConfigError) as caught:
            read('[database]\npath = "."\n')
        assert [fault.where for fault in caught.value.faults] == ["database.path"]
