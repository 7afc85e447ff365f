"""Reading router.toml, from a file and an environment to options or to faults."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from tornado_router.config.reader import environment, load, sources
from tornado_router.errors import ConfigError
from tornado_router.plugins.registry import configure_providers, load_plugins

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "router.toml"
EXAMPLE = dotenv_values(ROOT / ".env.example")


@pytest.fixture
def read(tmp_path):
    """Writes a router.toml and loads it."""

    def read(text, **environ):
        path = tmp_path / "router.toml"
        path.write_text(text, encoding="utf-8")
        return load(path, environ)

    return read


@pytest.fixture
def faults(read):
    """What is wrong with a router.toml, by place."""

    def faults(text, **environ):
        with pytest.raises(ConfigError) as caught:
            read(text, **environ)
        return {fault.where: fault.message for fault in caught.value.faults}

    return faults


def test_every_file_that_it_is_read_from_is_known(tmp_path):
    path = tmp_path / "router.toml"
    beside = [path, tmp_path / ".env"]
    assert sources(path) == beside  # it is not there
    path.write_text("[providers")
    assert sources(path) == beside
    path.write_text(
        '[providers.a]\ntype = "x"\napi_key = "${file:/run/a}"\n'
        'headers = {b = "x ${file:/b} $${file:/c}"}\n'
    )
    assert sources(path) == [*beside, Path("/run/a"), Path("/b")]


def test_an_empty_file_is_all_defaults(read, tmp_path):
    config = read("")
    assert (config.server.host, config.server.port) == ("127.0.0.1", 3000)
    assert config.server.max_body_bytes is None
    assert config.database.path == "data/router.db"
    assert config.redis.host == ""
    assert config.log.level == "info"
    assert config.validation.profile == "standard"
    assert config.folder == tmp_path
    assert (dict(config.providers), dict(config.routes)) == ({}, {})


def test_options_of_every_section_are_read(read):
    config = read(
        """
        server = {port = 80}
        log = {level = "error", format = "json"}
        [providers.mine]
        type = "openai"
        models = ["a", "b-*"]
        first_byte_timeout = 5
        api_key = "sk-1"
        headers = {X-Team = "blue"}
        [routes."gpt-4.1"]
        targets = ["mine/a", "mine/b-1"]
        """
    )
    assert config.server.port == 80
    assert (config.log.level, config.log.format) == ("error", "json")
    mine = config.providers["mine"]
    assert (mine.name, mine.common.type, mine.off) == ("mine", "openai", None)
    assert mine.common.models == ("a", "b-*")
    assert mine.common.first_byte_timeout == 5
    assert mine.common.connect_timeout == 10
    assert mine.options == {"api_key": "sk-1", "headers": {"X-Team": "blue"}}
    assert config.routes["gpt-4.1"].targets == ("mine/a", "mine/b-1")


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("postgresql://me@db/name", "postgresql://me@db/name?password=a%2Fb%20%24"),
        ("postgresql:///n?host=/run", "postgresql:///n?host=/run&password=a%2Fb%20%24"),
    ],
)
def test_the_password_of_the_database_needs_no_encoding(read, url, location):
    text = f'[database]\nurl = "{url}"\n'
    assert read(text).database_location == url
    assert read(text + "password = 'a/b $$'").database_location == location


def test_a_provider_offers_everything_unless_it_says(read):
    assert read('[providers.p]\ntype = "x"').providers["p"].common.models == ("*",)


class TestEnvironment:
    def test_numbers_are_read_as_declared(self, read):
        text = """
            server = {port = "${PORT}", shutdown_seconds = "${WAIT:-2.5}"}
            redis = {password = "${PORT}"}
            [providers.p]
            type = "x"
            max_connections = "${MAX:-7}"
        """
        config = read(text, PORT="4000")
        assert config.server.port == 4000
        assert config.server.shutdown_seconds == 2.5
        assert config.redis.password == "4000"
        assert config.providers["p"].common.max_connections == 7

    def test_a_value_that_is_no_number_is_a_fault(self, faults):
        text = 'server = {port = "${PORT}", idle_seconds = "${IDLE}"}'
        assert faults(text, PORT="", IDLE="soon") == {
            "server.port": "must be a whole number, not ''",
            "server.idle_seconds": "must be a number, not 'soon'",
        }

    def test_a_quoted_number_of_the_file_is_a_fault(self, faults):
        assert faults('server = {port = "4000"}') == {
            "server.port": "must be a whole number, not '4000'"
        }

    def test_bounds_hold_for_what_the_environment_says(self, faults):
        assert faults('server = {port = "${PORT}"}', PORT="70000") == {
            "server.port": "must be at most 65535, not 70000"
        }

    def test_lists_are_expanded(self, read):
        text = """
            [providers.p]
            type = "x"
            models = ["${A}", "${B:-two}", "$$three"]
            [routes.r]
            targets = ["${P:-p}/${A}"]
        """
        config = read(text, A="one")
        assert config.providers["p"].common.models == ("one", "two", "$three")
        assert config.routes["r"].targets == ("p/one",)

    def test_names_are_not_expanded(self, read):
        assert list(read('[providers."${A}"]\ntype = "x"', A="b").providers) == ["${A}"]

    def test_an_unset_variable_is_a_fault_with_its_place(self, faults):
        text = """
            server = {host = "${HOST}"}
            [routes.r]
            targets = ["p/m", "${NO}/m"]
        """
        assert faults(text) == {
            "server.host": "the environment variable HOST is not set",
            "routes.r.targets[1]": "the environment variable NO is not set",
        }

    def test_a_malformed_reference_is_a_fault_even_in_a_provider(self, faults):
        text = """
            [providers.p]
            type = "x"
            api_key = "${KEY"
        """
        assert faults(text) == {
            "providers.p.api_key": "a '$' begins no '${NAME}'; write '$$' for a dollar"
        }

    def test_a_value_cannot_change_the_structure_of_the_file(self, read):
        text = 'log = {level = "${LEVEL}"}\nserver = {host = "${HOST}"}'
        config = read(text, LEVEL="debug", HOST='x"\nport = 1 ${LEVEL}')
        assert config.server.host == 'x"\nport = 1 ${LEVEL}'
        assert config.server.port == 3000


class TestProvidersThatAreOff:
    TEXT = """
        [providers.p]
        type = "x"
        api_key = "${KEY}"
        base_url = "${URL:-https://x}"
        [providers.q]
        type = "x"
    """

    def test_an_unset_variable_turns_one_off_and_says_why(self, read):
        config = read(self.TEXT)
        assert config.providers["p"].off == "KEY is not set"
        assert config.providers["q"].off is None

    def test_a_set_one_turns_it_on(self, read):
        assert read(self.TEXT, KEY="k").providers["p"].off is None

    def test_other_faults_of_its_table_are_still_told(self, faults):
        text = '[providers.p]\ntype = "x"\napi_key = "${KEY}"\nmax_connections = 0'
        assert faults(text) == {"providers.p.max_connections": "must be at least 1, not 0"}


class TestFaults:
    def test_all_are_told_at_once(self, faults):
        text = """
            sever = {port = 1}
            server = {prot = 1, port = 99999}
            log = {level = "inf"}
            auth = {jwt_expires_in = "soon"}
            [providers."my.own"]
            modles = ["a"]
            models = ["a", 5]
            [routes."gpt-4.1"]
            [routes.empty]
            targets = []
        """
        assert faults(text) == {
            "sever": "unknown key; did you mean 'server'?",
            "server.prot": "unknown key; did you mean 'port'?",
            "server.port": "must be at most 65535, not 99999",
            "log.level": (
                "must be one of 'debug', 'info', 'warning', 'error', not 'inf'; "
                "did you mean 'info'?"
            ),
            "auth.jwt_expires_in": ("must look like '3600' or '90m' or '24h' or '7d', not 'soon'"),
            'providers."my.own"': "lacks 'type'",
            'providers."my.own".models[1]': "must be text in quotes, not 5",
            'routes."gpt-4.1"': "lacks 'targets'",
            "routes.empty.targets": "must not be empty",
        }

    @pytest.mark.parametrize(
        ("text", "where", "header"),
        [
            ("[routes.gpt-4.1]\ntargets = ['a/b']", "routes.gpt-4.1", '[routes."gpt-4.1"]'),
            ("[prices]\ngpt-4.1 = {input = 1}", "prices.gpt-4.1", '[prices."gpt-4.1"]'),
            ("[plans.a.b.c]\nrpm = 1", "plans.a.b.c", '[plans."a.b.c"]'),
            ("[targets.a.b]\nlacks = []", "targets.a.b", '[targets."a.b"]'),
            ("[providers.my.own]\ntype = 'echo'", "providers.my.own", '[providers."my.own"]'),
        ],
    )
    def test_a_name_that_toml_split_at_its_dots(self, faults, text, where, header):
        assert faults(text) == {where: f"a name with a dot in it needs quotes: {header}"}

    def test_beside_a_split_name_the_table_itself_is_checked(self, faults):
        found = faults("[plans.a]\nrpn = 1\n[plans.a.b]\nrpm = 1")
        assert found.keys() == {"plans.a.b", "plans.a.rpn"}

    def test_a_table_that_is_empty_stays(self, read):
        assert set(read("[plans.free]\n[plans.team]").plans) == {"free", "team"}

    def test_a_variable_that_is_misspelt(self, faults):
        found = faults('[server]\nhost = "${LISTEN_ADDRES}"', LISTEN_ADDRESS="::1", LISTEN="x")
        assert found["server.host"] == (
            "the environment variable LISTEN_ADDRES is not set; did you mean 'LISTEN_ADDRESS'?"
        )

    def test_the_key_of_another_vendor_is_not_meant(self, faults):
        found = faults('[server]\nhost = "${OPENAI_API_KEY}"', ANTHROPIC_API_KEY="sk")
        assert found["server.host"] == "the environment variable OPENAI_API_KEY is not set"

    def test_what_decides_a_response_cannot_be_ignored_by_the_cache(self, faults):
        assert faults('cache = {ignore_fields = ["user", "stream"]}') == {
            "cache.ignore_fields[1]": (
                "must be none of 'model', 'messages', 'input', 'stream', 'stream_options'"
            )
        }

    def test_a_section_that_is_no_table(self, faults):
        assert faults("server = 5\n[[providers.p]]\ntype = 'x'\napi_key = 'hunter2'") == {
            "server": "must be a table, not 5",
            "providers.p": "must be a table",
        }

    @pytest.mark.parametrize(
        "text",
        [
            "redis = {password = 4711}",
            "redis = {password = ['4711']}",
            "auth = {jwt_secret = 4711}",
            "auth = {jwt_secret = '4711${'}",
            "[[providers.p]]\napi_key = '4711'",
        ],
    )
    def test_secrets_are_not_quoted(self, faults, text):
        told = faults(text)
        assert told
        assert "4711" not in str(told)

    def test_secrets_are_not_in_the_repr_of_a_table(self, read):
        config = read('[providers.p]\ntype = "x"\napi_key = "hunter2"')
        assert "hunter2" not in repr(config.providers["p"])

    @pytest.mark.parametrize(
        ("text", "where"),
        [
            ("[server]\nport =\n", "line 2, column 7"),
            ("x = 1\n\ny = nope\n", "line 3, column 5"),
            ("[log]\n\n[log]\n", "line 3, column 5"),
            ("server = {", "end of document"),
        ],
    )
    def test_what_is_no_toml_is_told_with_its_line(self, faults, text, where):
        assert list(faults(text)) == [where]

    def test_what_is_not_utf8(self, tmp_path):
        path = tmp_path / "router.toml"
        path.write_bytes(b'[server]\nhost = "\xff"\n')
        with pytest.raises(ConfigError, match="is not UTF-8 text"):
            load(path, {})

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(ConfigError, match="cannot be read: No such file") as caught:
            load(tmp_path / "no.toml", {})
        assert caught.value.faults[0].where == ""

    def test_a_folder(self, tmp_path):
        with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
            load(tmp_path, {})


class TestDotEnv:
    def test_lies_beside_the_file_and_the_process_goes_before_it(self, tmp_path):
        (tmp_path / ".env").write_text('A=file\nB="two words"\nEMPTY=\nNOTHING\n# C=1\n')
        assert environment(tmp_path, {"A": "process", "D": "d"}) == {
            "A": "process",
            "B": "two words",
            "EMPTY": "",
            "D": "d",
        }

    def test_an_empty_variable_of_the_process_goes_before_it_too(self, tmp_path):
        (tmp_path / ".env").write_text("A=file\n")
        assert environment(tmp_path, {"A": ""}) == {"A": ""}

    def test_without_one_there_is_the_process_alone(self, tmp_path):
        assert environment(tmp_path, {"A": "1"}) == {"A": "1"}

    def test_it_is_not_looked_for_elsewhere(self, tmp_path, monkeypatch):
        (tmp_path / ".env").write_text("A=file\n")
        (tmp_path / "sub").mkdir()
        monkeypatch.chdir(tmp_path)
        assert environment(tmp_path / "sub", {}) == {}


def world(environ):
    """Everything that the shipped file comes to: its options, and which providers are on."""
    config = load(SHIPPED, environ)
    providers, faults = configure_providers(config, load_plugins())
    assert not faults
    return (
        [config.server, config.database, config.redis, config.auth, config.log],
        [(item.name, item.off) for item in providers.values()],
    )


OTHER = {
    "PORT": "4000",
    "DB_PATH": "elsewhere.db",
    "JWT_SECRET": "s",
    "JWT_EXPIRES_IN": "7d",
    "REGISTRATION": "invite",
    "OPENAI_API_KEY": "k",
    "ANTHROPIC_API_KEY": "k",
    "GOOGLE_API_KEY": "k",
    "REDIS_HOST": "redis.local",
    "REDIS_PORT": "6380",
    "REDIS_PASSWORD": "p",
    "REDIS_DB": "3",
}


class TestShippedFiles:
    def test_router_toml_loads_in_an_empty_environment_with_only_the_echo_on(self):
        _, providers = world({})
        assert [name for name, off in providers if off is None] == ["echo"]

    def test_providers_whose_key_is_empty_say_so(self):
        off = dict(world({})[1])
        assert off["openai"] == off["anthropic"] == off["google"] == "api_key is empty"

    def test_env_example_says_what_router_toml_takes_for_granted(self):
        assert world(EXAMPLE) == world({})

    def test_env_example_is_complete(self):
        assert set(EXAMPLE) == set(OTHER)

    @pytest.mark.parametrize("name", OTHER)
    def test_each_name_of_env_example_has_effect(self, name):
        assert world({name: OTHER[name]}) != world({})

    @pytest.mark.parametrize("name", EXAMPLE)
    def test_each_name_of_env_example_may_be_empty(self, name):
        assert world({name: ""}) == world({})
