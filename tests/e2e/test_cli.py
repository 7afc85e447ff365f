"""The command line, as an operator uses it."""

import json
import re
import signal

import pytest
from click import Context

from tornado_router.cli.main import main

from ..support import poll

pytestmark = pytest.mark.sqlite_suffices

ECHO = '[server]\nport = 0\n[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}

PASSED_ON = """
[providers.openai]
type = "openai"
api_key = "sk-1"
[providers.claude]
type = "anthropic"
api_key = "sk-2"
[passthrough]
provider = "openai"
vendors = ["claude"]
"""
"""All that `openapi` describes."""

FAULTY = """
[server]
prot = 3000
host = 7
[log]
level = "loud"
[srever]
port = 1
[providers.echo]
type = "echo"
models = ["echo"]
connect_timeout = -1
[routes."gpt-4.1"]
target = ["echo/echo"]
[auth]
jwt_expires_in = "${LIFETIME}"
"""

DANGLING = """
[providers.echo]
type = "echo"
models = ["echo"]
dealy_ms = 5
[providers.openai]
type = "opnai"
[providers.other]
type = "openai"
api_key = 5
base_url = "ftp://example.com"
[routes.main]
targets = ["ecko/echo", "echo/gone", "echo"]
"""


def check(router_project, text, **env):
    return router_project({"router.toml": text}).cli("check", **env)


def faults(checked):
    """What was found, by dotted path."""
    lines = checked.stderr.splitlines()
    *found, count = lines
    assert count == f"router.toml: {len(found)} fault{'s' if len(found) > 1 else ''}"
    assert checked.returncode == 1
    return dict(line.removeprefix("router.toml: ").split(": ", 1) for line in found)


@pytest.mark.usefixtures("cold_starts")
@pytest.mark.parametrize("command", main.list_commands(Context(main)))
def test_a_command_imports_what_it_needs(router_project, command):
    shown = router_project({}).cli(command, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"Usage: python -m tornado_router.cli {command} ")


@pytest.mark.usefixtures("cold_starts")
def test_check_of_a_good_file(router_project):
    checked = check(router_project, ECHO)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.splitlines() == ["provider echo (echo): on", "router.toml: no faults"]


@pytest.fixture
def broken_plugin(tmp_path):
    """A folder to be on PYTHONPATH, with an installed plugin that is for a later plugin API."""
    (tmp_path / "bad_plugin.py").write_text("TORNADO_ROUTER_API = 99\n")
    info = tmp_path / "b_prov-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: b-prov\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[tornado_router]\nbad = bad_plugin\n")
    return str(tmp_path)


WHY = "it is for plugin API version 99; this router has version 1"


def test_a_broken_plugin_is_listed(router_project, broken_plugin):
    listed = router_project({"router.toml": ECHO}).cli("plugins", PYTHONPATH=broken_plugin)
    assert (listed.returncode, listed.stderr) == (1, "")
    assert f"b-prov 0.1 (plugin API 99)\n  state: broken: {WHY}\n" in listed.stdout


def test_check_names_a_broken_plugin_where_a_type_is_missing(router_project, broken_plugin):
    text = '[providers.p]\ntype = "bprov"\n'
    checked = check(router_project, text, PYTHONPATH=broken_plugin)
    assert faults(checked)["providers.p.type"].endswith("; broken plugins: b-prov 0.1)")


def test_a_broken_plugin_is_logged_once_as_the_file_says(router_project, broken_plugin):
    text = ECHO + '[log]\nformat = "json"\n'
    project = router_project({"router.toml": text})
    router = project.serve(PYTHONPATH=broken_plugin)
    router.expect_log("b-prov 0.1 is not used")
    told = [line for line in router.log() if line["level"] == "error"]
    assert [line["message"] for line in told] == [f"plugin b-prov 0.1 is not used: {WHY}"]
    asked = project.cli("health", "--url", router.origin, "--key", router.key)
    assert f"\nplugin b-prov 0.1: broken: {WHY}\n" in asked.stdout


@pytest.mark.parametrize("docs", [True, False])
def test_the_start_says_where_the_api_is_described(router_project, docs):
    text = ECHO.replace("[server]", f"[server]\ndocs = {str(docs).lower()}")
    router = router_project({"router.toml": text}).serve()
    router.stop()
    assert (f"Its API is described at {router.origin}/docs\n" in router.stdout) is docs


def test_db_copy_names_the_file_that_lacks_a_database(router_project):
    project = router_project({"r3.toml": ECHO, "old.db": ""})
    copied = project.cli("db", "copy", "--config", "r3.toml", "old.db")
    assert copied.returncode == 1
    assert "r3.toml names no PostgreSQL: set `url` in [database]" in copied.stderr


def test_check_makes_nothing(router_project):
    project = router_project({"router.toml": ECHO})
    assert project.cli("check").returncode == 0
    assert [path.name for path in project.folder.iterdir()] == ["router.toml"]


def test_check_of_another_file(router_project):
    project = router_project({"router.toml": "[", "good.toml": ECHO})
    assert project.cli("check", "good.toml").stdout.endswith("good.toml: no faults\n")


def test_check_lists_every_fault_at_once(router_project):
    assert faults(check(router_project, FAULTY)) == {
        "auth.jwt_expires_in": "the environment variable LIFETIME is not set",
        "server.prot": "unknown key; did you mean 'port'?",
        "server.host": "must be text in quotes, not 7",
        "log.level": "must be one of 'debug', 'info', 'warning', 'error', not 'loud'",
        "srever": "unknown key; did you mean 'server'?",
        "providers.echo.connect_timeout": "must be more than 0, not -1",
        'routes."gpt-4.1".target': "unknown key; did you mean 'targets'?",
        'routes."gpt-4.1"': "lacks 'targets'",
    }


def test_check_looks_into_the_tables_of_providers_and_routes(router_project):
    found = faults(check(router_project, DANGLING))
    assert found.pop("providers.openai.type").startswith(
        "no installed plugin offers the type 'opnai'; did you mean 'openai'? (installed: "
    )
    assert found == {
        "providers.echo.dealy_ms": "unknown key; did you mean 'delay_ms'?",
        "providers.other.api_key": "must be text in quotes",
        "providers.other.base_url": (
            "must look like 'https://api.openai.com/v1', not 'ftp://example.com'"
        ),
        "routes.main.targets[0]": "there is no provider 'ecko'; did you mean 'echo'?",
        "routes.main.targets[1]": "the provider 'echo' does not offer 'gone'",
        "routes.main.targets[2]": "must be 'provider/model', not 'echo'",
    }


def test_check_lists_faults_of_both_kinds_at_once(router_project):
    found = faults(check(router_project, "[server]\nprot = 1\n" + DANGLING))
    assert "server.prot" in found
    assert "routes.main.targets[0]" in found


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("[server]\nport = \n", "line 2, column 8", "Invalid value"),
        ("[server]\nport = 1\nport = 2\n", "line 3", "Cannot overwrite a value"),
        ("port: 3000\n", "line 1", ""),
    ],
)
def test_check_of_what_is_no_toml(router_project, text, where, what):
    checked = check(router_project, text)
    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr.startswith(f"router.toml: {where}")
    assert what in checked.stderr
    assert checked.stderr.endswith("router.toml: 1 fault\n")


def test_check_of_a_file_that_is_not_there(router_project):
    checked = router_project({}).cli("check")
    assert checked.returncode == 1
    assert checked.stderr == (
        "there is no file router.toml: name another with --config FILE, or make one with "
        "`tornado-router init`\n"
    )
    assert "Traceback" not in checked.stderr


def test_check_of_what_is_not_text(router_project):
    project = router_project({})
    (project.folder / "router.toml").write_bytes(b"\xff\xfe")
    assert "is not UTF-8 text" in project.cli("check").stderr


def test_check_never_shows_a_secret(router_project):
    text = '[providers.up]\ntype = "openai"\napi_key = "${KEY}"\nbase_url = 5\n'
    checked = check(router_project, text, KEY="sk-canary")
    assert list(faults(checked)) == ["providers.up.base_url"]
    assert "sk-canary" not in checked.stdout + checked.stderr


def test_provider_whose_key_is_absent_is_off_and_no_fault(router_project):
    text = ECHO + '[providers.up]\ntype = "openai"\napi_key = "${UP_KEY}"\n'
    assert "provider up (openai): off: UP_KEY is not set" in check(router_project, text).stdout
    assert (
        "provider up (openai): off: api_key is empty"
        in check(router_project, text, UP_KEY="").stdout
    )
    assert "provider up (openai): on" in check(router_project, text, UP_KEY="sk-1").stdout


def test_keys(router_project):
    project = router_project({"router.toml": ECHO})
    made = project.cli("keys", "create", "--name", "for the tests")
    key = made.stdout.strip()
    assert re.fullmatch(r"sk-tr-[A-Za-z0-9_-]{43}", key)
    listed = project.cli("keys", "list").stdout
    prefix = re.escape(key[:12])
    head, row = listed.splitlines()
    assert re.fullmatch(
        rf" *\d+  {prefix}\.\.\.  for the tests  admin@localhost  active  never used( +-){{4}}",
        row,
    )
    assert head.split() == [
        *("id", "key", "name", "user", "state", "last", "used"),
        *("budget", "per", "spent", "expires"),
    ]
    number = row.split()[0]
    assert project.cli("keys", "revoke", number).stdout.startswith(f"revoked key {number}")
    assert "for the tests" not in project.cli("keys", "list").stdout
    again = project.cli("keys", "revoke", number)
    assert (again.returncode, again.stderr) == (1, f"Error: There is no API key {number}.\n")


def test_key_for_nobody(router_project):
    made = router_project({"router.toml": ECHO}).cli(
        "keys", "create", "--name", "x", "--user", "nobody@example.com"
    )
    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr.endswith("Error: There is no user 'nobody@example.com'.\n")


def test_key_is_revoked_while_the_router_serves(router_project):
    project = router_project({"router.toml": ECHO})
    router = project.serve()
    key = project.create_key("second")
    assert router.post(HELLO, authorization=f"Bearer {key}").status == 200
    poll(router.usage_rows)
    line = next(
        line for line in project.cli("keys", "list").stdout.splitlines() if "second" in line
    )
    assert "never used" not in line

    assert project.cli("keys", "revoke", line.split()[0]).returncode == 0
    refused = poll(
        lambda: (
            (answer := router.post(HELLO, authorization=f"Bearer {key}")).status == 401 and answer
        )
    )
    assert refused.error["code"] == "invalid_api_key"
    assert router.post(HELLO).status == 200, "the other key still works"


def test_key_that_is_made_while_the_router_serves_works_at_once(router_project):
    project = router_project({"router.toml": ECHO})
    router = project.serve()
    key = project.create_key("new")
    assert router.post(HELLO, authorization=f"Bearer {key}").status == 200


def test_version(router_project):
    shown = router_project({}).cli("--version").stdout
    assert re.fullmatch(r"tornado-router, version \d+\.\d+\.\d+\n", shown)


def test_openapi_is_what_a_router_of_that_profile_serves(router_project):
    project = router_project({"router.toml": ECHO + PASSED_ON + '[validation]\nprofile = "open"\n'})
    printed = project.cli("openapi", "--profile", "open")
    assert printed.returncode == 0
    served = project.serve().request("GET", "/openapi.json").json
    assert _without_examples(json.loads(printed.stdout)) == _without_examples(served)


def _without_examples(value):
    """A document without its examples: those of a router ask for models that it serves."""
    if isinstance(value, dict):
        kept = (name for name in value if name not in ("example", "examples"))
        return {name: _without_examples(value[name]) for name in kept}
    return [_without_examples(item) for item in value] if isinstance(value, list) else value


def test_serve_takes_a_file_and_an_address_of_its_own(router_project):
    project = router_project({"own.toml": ECHO.replace("port = 0", 'port = 1\nhost = "127.0.0.3"')})
    router = project.serve("own.toml", "--port", "0", "--host", "127.0.0.2")
    assert router.origin.startswith("http://127.0.0.2:")
    assert not router.origin.endswith((":0", ":1"))
    router.send(signal.SIGHUP)
    poll(lambda: "loaded own.toml" in router.stderr)
    assert "need a restart" not in router.stderr


def test_an_address_of_the_command_line_is_checked_like_that_of_the_file(router_project):
    ended = router_project({"router.toml": ECHO}).cli("serve", "--host", "0.0.0.0")
    assert ended.returncode == 1
    assert "auth.jwt_secret" in ended.stderr


def test_a_file_is_named_once(router_project):
    project = router_project({"router.toml": ECHO, "own.toml": ECHO})
    ended = project.cli("check", "own.toml", "--config", "router.toml")
    assert ended.returncode == 2
    assert "give the file once" in ended.stderr
    named = project.cli("check", "own.toml", TORNADO_ROUTER_CONFIG="other.toml")
    assert named.stdout.endswith("own.toml: no faults\n")
    assert project.cli("check", TORNADO_ROUTER_CONFIG="own.toml").stdout.endswith(
        "own.toml: no faults\n"
    )


def test_plugins_are_listed_shortly_or_with_what_they_can_do(router_project):
    project = router_project({})
    assert "\n  type deepseek: chat.completions, embeddings\n" in project.cli("plugins").stdout
    whole = project.cli("plugins", "--abilities").stdout
    assert "\n  type groq: chat.completions (stream, tools, " in whole
    listed = json.loads(project.cli("plugins", "--json").stdout)
    types = {item["type"]: item for plugin in listed["plugins"] for item in plugin["types"]}
    assert "stream" in types["groq"]["endpoints"]["chat.completions"]
    assert {"import litellm"} <= {item["command"] for item in listed["commands"]}


def test_a_broken_plugin_is_told_to_programs(router_project, broken_plugin):
    listed = router_project({}).cli("plugins", "--json", PYTHONPATH=broken_plugin)
    assert listed.returncode == 1
    broken = [item for item in json.loads(listed.stdout)["plugins"] if item["broken"]]
    assert [(item["distribution"], item["broken"]) for item in broken] == [("b-prov", WHY)]


def test_a_check_for_programs(router_project):
    project = router_project({"bad.toml": FAULTY, "router.toml": ECHO})
    bad = project.cli("check", "bad.toml", "--json")
    assert bad.returncode == 1
    faults = {item["where"]: item["message"] for item in json.loads(bad.stdout)["faults"]}
    assert faults["server.prot"] == "unknown key; did you mean 'port'?"
    good = project.cli("check", "--json", "--connect")
    assert good.returncode == 0
    report = json.loads(good.stdout)
    assert (report["faults"], report["concerns"]) == ([], [])
    assert [item["failed"] for item in report["connections"]] == [False, False]
    unsafe = project.cli("check", "--json", "--production")
    assert unsafe.returncode == 1
    assert json.loads(unsafe.stdout)["concerns"]
    assert "there is no file none.toml" in project.cli("check", "none.toml", "--json").stderr
