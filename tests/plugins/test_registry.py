"""Plugins: found by their entry points, held to the plugin API, and alone with their faults."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import ClassVar

import pytest
from loguru import logger

from tornado_router.config import reader
from tornado_router.plugins.registry import Plugins, configure_providers, load_plugins
from tornado_router.provider import OptionError, Provider, hookimpl


@pytest.fixture(autouse=True)
def nothing_is_logged():
    """They are loaded before router.toml has said how to log."""
    lines = []
    sink = logger.add(lines.append)
    yield
    logger.remove(sink)
    assert lines == []


@pytest.fixture
def plugin(monkeypatch):
    """Makes a module that is a plugin, and gives its entry point."""

    def plugin(name, offers=None, *, version=1, **contents):
        module = ModuleType(f"fake_{name}")
        if version is not None:
            module.TORNADO_ROUTER_API = version
        if offers is not None:

            def register_providers():
                return offers() if callable(offers) else offers

            module.register_providers = hookimpl(register_providers)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return EntryPoint(name, module.__name__, "tornado_router")

    return plugin


@pytest.fixture
def configure(tmp_path):
    """Makes the providers of a router.toml."""

    def configure(text, plugins, **environ):
        path = tmp_path / "router.toml"
        path.write_text(text)
        providers, faults = configure_providers(reader.load(path, environ), plugins)
        return providers, [str(fault) for fault in faults]

    return configure


class Acme(Provider):
    """A vendor with every kind of option."""

    options_schema: ClassVar = {
        "type": "object",
        "properties": {
            "api_key": {"type": "string", "writeOnly": True, "pattern": "^sk-"},
            "second_key": {"type": "string", "writeOnly": True},
            "headers": {"type": "object", "writeOnly": True},
            "region": {"type": "string", "enum": ["eu", "us"]},
            "retries": {"type": "integer"},
        },
        "required": ["api_key"],
    }

    def __init__(self, name, options):
        super().__init__(name, options)
        if options.get("region") == "us":
            raise OptionError("region", "is closed on Sundays")


class Other(Provider):
    pass


class TestFound:
    def test_those_of_this_repository_come_by_the_same_door(self):
        plugins = load_plugins()
        assert {"echo", "openai"} <= set(plugins.types)
        labels = {plugin.name: plugin.label for plugin in plugins.found}
        assert labels["echo"] == "tornado-llm-router-echo 0.1.0"
        assert plugins.broken == {}

    def test_anybody_elses_is_found_once_it_is_installed(self, tmp_path, monkeypatch):
        (tmp_path / "acme_plugin.py").write_text(
            "from tornado_router.provider import Provider, hookimpl\n"
            "TORNADO_ROUTER_API = 1\n"
            "@hookimpl\n"
            "def register_providers():\n"
            "    return {'acme': Provider}\n"
        )
        info = tmp_path / "acme_llm-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-llm\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("[tornado_router]\nacme = acme_plugin\n")
        monkeypatch.syspath_prepend(tmp_path)
        plugins = load_plugins()
        assert plugins.types["acme"] is Provider
        (acme,) = [plugin for plugin in plugins.found if plugin.name == "acme"]
        assert (acme.label, acme.package, acme.api_version) == ("acme-llm 1.2", "acme_plugin", 1)

    def test_several_types_of_one(self, plugin):
        plugins = load_plugins([plugin("acme", {"acme": Acme, "other": Other})])
        assert plugins.types == {"acme": Acme, "other": Other}

    def test_one_that_only_listens_offers_nothing_and_is_right(self, plugin):
        plugins = load_plugins([plugin("quiet", request_finished=hookimpl(lambda event: None))])
        assert (plugins.types, plugins.broken) == ({}, {})

    def test_apps_do_not_share_plugins(self, plugin):
        first, second = load_plugins([plugin("acme", {"acme": Acme})]), load_plugins([])
        assert first.manager is not second.manager
        assert second.types == {}


class TestBroken:
    """Each is reported by name, nothing of it is used, and the rest serve."""

    def check(self, broken, good, why):
        plugins = load_plugins([broken, good])
        assert plugins.types == {"acme": Acme}
        assert list(plugins.broken) == ["bad"]
        assert why in plugins.broken["bad"]
        assert [name for name, _ in plugins.manager.list_name_plugin()] == ["acme"]
        return plugins

    @pytest.fixture
    def good(self, plugin):
        return plugin("acme", {"acme": Acme})

    def test_it_is_not_there(self, good):
        broken = EntryPoint("bad", "no_such_module", "tornado_router")
        self.check(broken, good, "ModuleNotFoundError: No module named 'no_such_module'")

    def test_it_raises_on_import(self, good, tmp_path, monkeypatch):
        (tmp_path / "bad_on_import.py").write_text("1 / 0\n")
        monkeypatch.syspath_prepend(tmp_path)
        broken = EntryPoint("bad", "bad_on_import", "tornado_router")
        self.check(broken, good, "ZeroDivisionError")

    def test_it_exits_on_import(self, good, tmp_path, monkeypatch):
        (tmp_path / "exits.py").write_text("import sys\nsys.exit('pip install something first')\n")
        monkeypatch.syspath_prepend(tmp_path)
        broken = EntryPoint("bad", "exits", "tornado_router")
        self.check(broken, good, "SystemExit: pip install something first")

    @pytest.mark.parametrize("version", [0, 2, "1", True + 1])
    def test_it_is_for_another_plugin_api(self, plugin, good, version):
        broken = plugin("bad", {"bad": Other}, version=version)
        self.check(
            broken, good, f"it is for plugin API version {version}; this router has version 1"
        )

    def test_it_does_not_say_which(self, plugin, good):
        broken = plugin("bad", {"bad": Other}, version=None)
        self.check(broken, good, "it states no plugin API version")

    def test_its_hook_raises(self, plugin, good):
        def fail():
            raise RuntimeError("no licence")

        self.check(plugin("bad", fail), good, "RuntimeError: no licence")

    def test_its_message_holds_a_secret(self, plugin, good):
        def fail():
            raise RuntimeError("no licence for sk-proj-abcdefghijklmnopqrstuvwxyz0123456789")

        self.check(plugin("bad", fail), good, "RuntimeError: no licence for [redacted]")

    @pytest.mark.parametrize(
        "offers", [5, "acme", ["acme"], {"bad": "Acme"}, {"bad": Other("x", {})}, {"bad": dict}]
    )
    def test_its_hook_returns_nonsense(self, plugin, good, offers):
        self.check(plugin("bad", offers), good, "")

    def test_it_implements_a_hook_that_does_not_exist(self, plugin, good):
        broken = plugin("bad", {"bad": Other}, request_finnished=hookimpl(lambda event: None))
        self.check(broken, good, "request_finnished")

    def test_what_it_offers_before_its_fault_is_not_used_either(self, plugin, good):
        self.check(plugin("bad", {"fine": Other, "bad": 5}), good, "'bad'")

    def test_its_other_hooks_are_not_called(self, plugin, good):
        calls = []

        @hookimpl
        def hook(event):
            calls.append(event)

        plugins = self.check(plugin("bad", 5, request_finished=hook), good, "Error")
        plugins.manager.hook.request_finished(event=None)
        assert calls == []


class TestConflict:
    def test_a_type_that_two_claim_is_nobodys_and_both_are_named(self, plugin, configure):
        plugins = load_plugins(
            [plugin("one", {"acme": Acme, "mine": Other}), plugin("two", {"acme": Other})]
        )
        assert plugins.types == {"mine": Other}
        assert plugins.conflicts == {"acme": ["one", "two"]}
        _, faults = configure('[providers.p]\ntype = "acme"\n', plugins)
        assert faults == [
            "providers.p.type: the type 'acme' is offered by one and by two; uninstall all but one"
        ]


ACME = '[providers.p]\ntype = "acme"\n'


class TestConfigure:
    @pytest.fixture
    def plugins(self, plugin):
        return load_plugins([plugin("acme", {"acme": Acme, "other": Other})])

    def test_a_provider_that_is_on(self, configure, plugins):
        providers, faults = configure(ACME + 'api_key = "sk-1"\nmodels = ["m"]', plugins)
        assert faults == []
        item = providers["p"]
        assert (item.name, item.off, item.secrets) == ("p", None, ("sk-1",))
        assert item.common.models == ("m",)
        assert isinstance(item.provider, Acme)
        assert item.provider.name == "p"
        assert item.provider.options == {"api_key": "sk-1"}
        assert "sk-1" not in repr(item)

    @pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\ufeff", "\t\n"])
    def test_secrets_have_no_ends_that_are_not_seen(self, configure, plugins, end):
        table = ACME + 'api_key = "${KEY}"\nsecond_key = "a\\nb"\nheaders = {"X" = "${HEADER}"}'
        providers, faults = configure(
            table, plugins, KEY=f"{end}sk-1{end}", HEADER=f"secret-1{end}"
        )
        assert faults == []
        assert providers["p"].provider.options == {
            "api_key": "sk-1",
            "second_key": "a\nb",
            "headers": {"X": "secret-1"},
        }
        assert {"sk-1", "secret-1"} <= {*providers["p"].secrets}

    def test_one_of_blanks_alone_is_empty(self, configure, plugins):
        providers, faults = configure(ACME + 'api_key = "${KEY}"', plugins, KEY=" \n")
        assert (faults, providers["p"].off) == ([], "api_key is empty")

    def test_a_fingerprint_is_of_what_decides_the_answers(self, configure, plugins):
        def fingerprint(*lines, **environ):
            text = "\n".join([ACME, 'api_key = "sk-1"', *lines])
            return configure(text, plugins, **environ)[0]["p"].fingerprint

        first = fingerprint('region = "eu"', "retries = 1")
        assert fingerprint("retries = 1", "connect_timeout = 5.0", 'region = "eu"') == first
        assert fingerprint('second_key = "s"', 'region = "eu"', 'retries = "${N}"', N="1") == first
        assert fingerprint('region = "eu"', "retries = 2") != first
        assert fingerprint('region = "eu"', "retries = 1", 'headers = {X-Team = "b"}') != first
        assert fingerprint('region = "eu"', "retries = 1", 'unsupported = "drop"') != first

    def test_two_of_one_type(self, configure, plugins):
        text = '[providers.a]\ntype = "other"\n[providers.b]\ntype = "other"'
        providers, _ = configure(text, plugins)
        assert providers["a"].provider is not providers["b"].provider

    def test_options_come_from_the_environment_as_declared(self, configure, plugins):
        text = ACME + 'api_key = "${KEY}"\nretries = "${RETRIES}"'
        providers, faults = configure(text, plugins, KEY="sk-1", RETRIES="7")
        assert faults == []
        assert providers["p"].provider.options == {"api_key": "sk-1", "retries": 7}

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            ("retries = 'many'", "providers.p.retries: must be a whole number, not 'many'"),
            ("region = 'es'", "providers.p.region: must be one of 'eu', 'us', not 'es'"),
            ("regoin = 'eu'", "providers.p.regoin: unknown key; did you mean 'region'?"),
            ("modles = ['m']", "providers.p.modles: unknown key; did you mean 'models'?"),
            ("region = 'us'", "providers.p.region: is closed on Sundays"),
        ],
    )
    def test_a_wrong_option(self, configure, plugins, line, fault):
        providers, faults = configure(f"{ACME}api_key = 'sk-1'\n{line}", plugins)
        assert faults[0].removesuffix("; did you mean 'us'?") == fault
        assert len(faults) == 1
        assert providers["p"].provider is None

    def test_a_missing_option(self, configure, plugins):
        assert configure(ACME, plugins)[1] == ["providers.p: lacks 'api_key'"]

    def test_a_wrong_secret_is_not_quoted(self, configure, plugins):
        _, faults = configure(ACME + 'api_key = "hunter2"', plugins)
        assert faults == ["providers.p.api_key: must match ^sk-"]

    def test_a_type_that_nobody_offers(self, configure, plugins):
        providers, faults = configure('[providers.p]\ntype = "amce"', plugins)
        assert faults == [
            "providers.p.type: no installed plugin offers the type 'amce'; did you mean 'acme'? "
            "(installed: acme, other)"
        ]
        assert providers["p"].provider is None

    def test_without_any_plugin(self, configure):
        _, faults = configure(ACME, load_plugins([]))
        assert faults[0].endswith("(installed: none)")

    def test_a_type_that_a_broken_plugin_may_offer(self, plugin, configure):
        _, faults = configure(ACME, load_plugins([plugin("bad", {"acme": Acme}, version=99)]))
        assert faults[0].endswith("(installed: none; broken plugins: bad)")

    def test_faults_of_every_table_at_once(self, configure, plugins):
        text = '[providers.a]\ntype = "nope"\n[providers.b]\ntype = "other"\nx = 1\n' + ACME
        assert len(configure(text, plugins)[1]) == 3


class TestOff:
    @pytest.fixture
    def plugins(self, plugin):
        return load_plugins([plugin("acme", {"acme": Acme})])

    def test_by_an_empty_secret(self, configure, plugins):
        providers, faults = configure(ACME + 'api_key = "${KEY:-}"', plugins)
        assert (faults, providers["p"].provider) == ([], None)
        assert providers["p"].off == "api_key is empty"

    def test_by_several(self, configure, plugins):
        providers, _ = configure(ACME + 'api_key = ""\nsecond_key = ""', plugins)
        assert providers["p"].off == "api_key and second_key are empty"

    def test_by_a_variable_that_is_not_set(self, configure, plugins):
        providers, faults = configure(ACME + 'api_key = "${KEY}"', plugins)
        assert (faults, providers["p"].provider) == ([], None)
        assert providers["p"].off == "KEY is not set"

    def test_what_else_is_wrong_is_still_told(self, configure, plugins):
        _, faults = configure(ACME + 'api_key = ""\nretries = "x"\nnope = 1', plugins)
        assert len(faults) == 2


class TestFaultyProviders:
    """A class that is wrong takes its own table down, and nothing else."""

    def check(self, plugin, configure, kind):
        plugins = load_plugins([plugin("acme", {"acme": kind, "other": Other})])
        text = ACME + 'api_key = "sk-hunter2"\n[providers.q]\ntype = "other"'
        providers, faults = configure(text, plugins)
        assert faults == []
        assert isinstance(providers["q"].provider, Other)
        assert providers["p"].provider is None
        assert "hunter2" not in str(providers)
        return providers["p"].off

    def test_that_fails_when_it_is_made(self, plugin, configure):
        class Fails(Acme):
            def __init__(self, name, options):
                raise KeyError(options["api_key"])

        off = self.check(plugin, configure, Fails)
        assert off == "its plugin failed: KeyError"

    @pytest.mark.parametrize(
        "schema",
        [None, {"properties": 5}, {"type": "nonsense"}, {"properties": {"api_key": 5}}],
        ids=repr,
    )
    def test_whose_schema_is_none(self, plugin, configure, schema):
        class Odd(Acme):
            options_schema = schema

        assert self.check(plugin, configure, Odd).startswith("its plugin failed: ")


def test_plugins_without_any_found():
    plugins = load_plugins([])
    assert isinstance(plugins, Plugins)
    assert (plugins.found, plugins.types, plugins.conflicts, plugins.broken) == ([], {}, {}, {})
