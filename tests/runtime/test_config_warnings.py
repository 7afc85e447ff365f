"""What is allowed in a router.toml and yet hardly meant."""

import signal

import pytest

from tornado_router.runtime.config_warnings import config_warnings
from tornado_router.runtime.loaded_config import load_config

from ..support import poll

ECHO = '[providers.echo]\ntype = "echo"\nmodels = ["echo", "two"]\n'
OPEN = '[providers.open]\ntype = "echo"\n'


@pytest.fixture
def warnings(tmp_path):
    """The warnings of a file, by place."""

    def warnings(text, **environ):
        path = tmp_path / "router.toml"
        path.write_text(text)
        return {item.where: item.message for item in config_warnings(load_config(path, environ))}

    return warnings


@pytest.mark.parametrize(
    "text",
    [
        ECHO,
        ECHO + '[routes.two]\ntargets = ["echo/two", "echo/echo"]\nhedge_seconds = 1\n',
        ECHO + '[request_log]\ncalls = "chosen"\n[routes.a]\ntargets = ["echo/two"]\n'
        "log_requests = true\n",
        ECHO + '[routes."c-*"]\ntargets = ["echo/two"]\n[auth]\ndefault_plan = "p"\n'
        '[plans.p]\nmodels = ["echo", "t*", "echo/*", "echo/two", "c-5", "c-*", "*"]\n',
        OPEN + '[auth]\ndefault_plan = "p"\n[plans.p]\nmodels = ["open/x", "open/x*"]\n'
        '[targets."open/x"]\n[targets."*/x"]\n[prices."open/x"]\ninput = 1\n[prices.x]\n'
        "input = 1\n",
    ],
)
def test_what_may_be_meant(warnings, text):
    assert warnings(text) == {}


def test_no_provider(warnings):
    assert "`tornado-router init`" in warnings("")["providers"]
    off = warnings('[providers.openai]\ntype = "openai"\napi_key = "${KEY}"\n')
    assert off == {"providers": "none is on, so no model can be served"}


def test_a_route_whose_providers_are_off(warnings):
    text = ECHO + '[providers.openai]\ntype = "openai"\napi_key = ""\n'
    route = '[routes.a]\ntargets = ["openai/x"{}]\n'
    assert warnings(text + route.format("")) == {
        "routes.a": "is not served: openai is off: api_key is empty"
    }
    assert warnings(text + route.format(', "echo/echo"')) == {}


@pytest.mark.parametrize(
    ("route", "where"),
    [
        ('targets = ["echo/two"]\nhedge_seconds = 0', "hedge_seconds"),
        ('targets = ["echo/two", "echo/two"]', "targets"),
        ('targets = ["echo/two"]\nlog_requests = true', "log_requests"),
    ],
)
def test_options_without_an_effect(warnings, route, where):
    assert warnings(f'{ECHO}[routes."a.b"]\n{route}\n').keys() == {f'routes."a.b".{where}'}


def test_one_name_at_two_providers(warnings):
    two = ECHO + '[providers.other]\ntype = "echo"\nmodels = ["two"]\n'
    assert warnings(two) == {
        "providers.echo.models": "'two' is served by echo alone, though echo, other offer it: a "
        "route of that name says which of them serve it, and in which order"
    }
    assert warnings(two + '[routes.two]\ntargets = ["other/two"]\n') == {}


@pytest.mark.parametrize(
    ("table", "where", "hint"),
    [
        ('[plans.free]\nmodels = ["echo", "ecko"]', "plans.free.models[1]", "'echo'"),
        ('[plans.free]\nmodels = ["ecko/*"]', "plans.free.models[0]", "'echo'"),
        ('[targets."echo/tow"]\n', 'targets."echo/tow"', "'echo/two'"),
        ('[prices."echo/tow"]\ninput = 1', 'prices."echo/tow"', "'echo/two'"),
        ("[prices.tow]\ninput = 1", "prices.tow", "'two'"),
    ],
)
def test_names_that_mean_no_model(warnings, table, where, hint):
    ((place, message),) = warnings(f"{ECHO}{table}\n").items()
    assert place == where
    assert f"did you mean {hint}" in message


@pytest.mark.parametrize("secret", ["x", "abc", "none", "123.45"])
@pytest.mark.parametrize(
    ("table", "where"),
    [
        ('[metrics]\ntoken = "{}"\n', "metrics.token"),
        ('[providers.up]\ntype = "openai"\napi_key = "{}"\n', "providers.up.api_key"),
    ],
)
def test_secrets_that_cannot_be_hidden(warnings, table, where, secret):
    assert "cannot be kept out of the log" in warnings(ECHO + table.format(secret))[where]
    assert where not in warnings(ECHO + table.format("s3cret"))
    assert where not in warnings(ECHO + table.format("longwords"))


@pytest.mark.sqlite_suffices
def test_the_start_and_the_reload_log_them(router_project):
    text = '[server]\nport = 0\n[log]\nformat = "json"\n' + ECHO
    project = router_project({"router.toml": text + "[prices.tow]\ninput = 1\n"})
    router = project.serve()
    poll(lambda: "router.toml: prices.tow: no provider offers 'tow'" in router.stderr)
    (project.folder / "router.toml").write_text(text + '[targets."echo/tow"]\n')
    router.send(signal.SIGHUP)
    poll(lambda: 'echo/tow\\": no provider offers' in router.stderr)
    assert router.stderr.count("prices.tow") == 1
    checked = project.cli("check")
    assert checked.returncode == 0
    assert checked.stdout.endswith("router.toml: no faults, 1 warning\n")
    assert checked.stderr.startswith('router.toml: warning: targets."echo/tow": no provider')
