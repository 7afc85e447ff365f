"""The commands for users, credits, invites, plans and keys, as an operator types them."""

import json
import re
import subprocess
import sys

import pytest

from ..support import poll

EMAIL = "ada@example.com"
PASSWORD = "correct horse 7 battery"
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello out there"}]}
ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[auth]
bcrypt_rounds = 4
registration = "invite"
[plans.free]
credits = 1.5
rpm = 60
[plans.pro]
models = ["gpt-*"]
[providers.echo]
type = "echo"
models = ["echo"]
[prices.echo]
input = 0
"""


class Operator:
    def __init__(self, project):
        self.project = project

    def run(self, *arguments, input=""):
        done = self.project.cli(*arguments, input=input)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def fails(self, *arguments, input=""):
        done = self.project.cli(*arguments, input=input)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        return line

    def rows(self, *arguments):
        """A table without its head, split where the columns are."""
        return [re.split(r"  +", line.strip()) for line in self.run(*arguments).splitlines()[1:]]


@pytest.fixture
def operator(router_project):
    operator = Operator(router_project({"router.toml": ROUTER_TOML}))
    operator.run(
        "users", "create", "--email", "Ada@Example.com", "--password-stdin", input=PASSWORD + "\n"
    )
    return operator


def test_users(operator):
    first, ada = operator.rows("users", "list")
    assert first[1:4] == ["admin@localhost", "admin", "unlimited"]  # as a first start makes it
    assert ada == ["2", EMAIL, "-", "free", "1.5", "0", "active"]
    operator.run("users", "set", EMAIL, "--plan", "pro", "--name", "Ada", "--admin")
    assert operator.rows("users", "list", "--search", "ADA") == [
        ["2", EMAIL, "Ada", "pro", "-", "0", "active, administrator"]
    ]
    assert operator.rows("users", "list", "--search", "%") == []
    assert "plan      pro" in operator.run("users", "show", EMAIL)
    shown = json.loads(operator.run("users", "show", EMAIL, "--json"))
    assert (shown["email"], shown["plan"]) == (EMAIL, "pro")
    assert "last active administrator" in operator.fails("users", "delete", EMAIL, "--yes")
    operator.run(
        "users", "create", "--email", "bob@example.com", "--password-stdin", input=PASSWORD
    )
    assert operator.run("users", "delete", "bob@example.com", "--yes") == "deleted user 3\n"
    assert len(operator.rows("users", "list")) == 2
    operator.run(
        *("users", "create", "--email", "eve@example.com", "--admin", "--password-stdin"),
        input=PASSWORD,
    )
    assert operator.rows("users", "list", "--search", "eve")[0][3] == "unlimited"


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("users", "show", "x@y"), "There is no user 'x@y'."),
        (("users", "set", EMAIL, "--plan", "gold"), "The plans are: free, pro, unlimited."),
        (("credits", "add", EMAIL, "-1", "--reason", "x"), ""),
        (("credits", "add", EMAIL, "much", "--reason", "x"), "must be an amount"),
        (("credits", "adjust", EMAIL, "-2", "--reason", "x"), "Insufficient credits"),
        (("keys", "create", "--name", "x", "--user", EMAIL, "--endpoint", "x"), "must be one of"),
        (("keys", "revoke", "9"), "There is no API key 9."),
        (("keys", "rotate", "9"), "There is no API key 9."),
        (("invites", "revoke", "9"), "There is no unused invite 9."),
        (("invites", "create", "--plan", "gold"), "There is no such plan."),
    ],
)
def test_what_cannot_be_is_one_line(operator, arguments, says):
    done = operator.project.cli(*arguments)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("password", ["tiny", "password123", "x" * 73])
def test_a_password_that_cannot_be(operator, password):
    line = operator.fails(
        "users", "create", "--email", "b@c", "--password-stdin", input=password + "\n"
    )
    assert line.startswith("Error: 'password' ")
    assert password not in line


def test_a_password_is_changed(operator):
    router = operator.project.serve()

    def log_in(password):
        body = f'{{"email": "{EMAIL}", "password": "{password}"}}'
        headers = {"Content-Type": "application/json"}
        return router.request("POST", "/auth/login", body, headers)

    assert log_in(PASSWORD).status == 200
    operator.run("users", "password", EMAIL, "--password-stdin", input="another horse 8 battery\n")
    assert log_in(PASSWORD).status == 401
    assert log_in("another horse 8 battery").status == 200


def test_credits(operator):
    assert operator.run("credits", "add", EMAIL, "2.25", "--reason", "paid") == (
        f"{EMAIL} has 3.75 US dollars now\n"
    )
    operator.run("credits", "adjust", EMAIL, "-0.000000001", "--reason", "a mistake")
    assert [row[1:] for row in operator.rows("credits", "list", EMAIL)] == [
        ["-0.000000001", "3.749999999", "adjust", "cli", "a mistake"],
        ["2.25", "3.75", "top_up", "cli", "paid"],
        ["1.5", "1.5", "plan", "cli", "the plan free"],
    ]


def test_plans(operator):
    assert operator.rows("plans") == [
        ["free (default)", "1.5", "60", "-", "-", "*"],
        ["pro", "-", "-", "-", "-", "gpt-*"],
        ["unlimited", "-", "-", "-", "-", "*"],
    ]


def test_invites(operator):
    code = operator.run("invites", "create", "--email", "eve@example.com", "--plan", "pro").strip()
    router = operator.project.serve()
    body = f'{{"email": "eve@example.com", "password": "{PASSWORD}", "invite": "{code}"}}'
    headers = {"Content-Type": "application/json"}
    assert router.request("POST", "/auth/register", body, headers).status == 201
    assert router.request("POST", "/auth/register", body, headers).status in (403, 409)
    ((number, who, plan, _, state, actor),) = operator.rows("invites", "list")
    assert (number, who, plan, state, actor) == ("1", "eve@example.com", "pro", "used", "cli")
    operator.run("invites", "create")
    assert operator.run("invites", "revoke", "2") == "revoked invite 2\n"


class TestKeys:
    def test_what_a_key_may_do(self, operator):
        router = operator.project.serve()
        key = operator.run(
            "keys", "create", "--name", "x", "--user", EMAIL, "--rpm", "0", "--expires-in", "90d"
        ).strip()
        answer = router.post(HELLO, authorization=f"Bearer {key}")
        assert answer.status == 429
        assert "Limit 0" in answer.error["message"]

    def test_rotation_with_grace(self, operator):
        router = operator.project.serve()
        old = operator.run("keys", "create", "--name", "x", "--user", EMAIL).strip()
        new = operator.run("keys", "rotate", "1", "--grace", "1h").strip()
        for key in (old, new):
            assert router.post(HELLO, authorization=f"Bearer {key}").status == 200
        newest = operator.run("keys", "rotate", "1").strip()
        poll(lambda: router.post(HELLO, authorization=f"Bearer {new}").status == 401, seconds=5)
        assert router.post(HELLO, authorization=f"Bearer {old}").status == 401
        assert router.post(HELLO, authorization=f"Bearer {newest}").status == 200
        assert len(operator.rows("keys", "list", "--user", EMAIL)) == 1

    def test_who_is_disabled_cannot_call(self, operator):
        router = operator.project.serve()
        key = operator.run("keys", "create", "--name", "x", "--user", EMAIL).strip()
        assert router.post(HELLO, authorization=f"Bearer {key}").status == 200
        operator.run("users", "set", EMAIL, "--no-active")
        poll(lambda: router.post(HELLO, authorization=f"Bearer {key}").status == 401, seconds=5)

    @pytest.mark.sqlite_suffices
    @pytest.mark.parametrize("grace", ["soon", "-1", "31d"])
    def test_a_grace_that_cannot_be(self, operator, grace):
        done = operator.project.cli("keys", "rotate", "1", f"--grace={grace}")
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr


@pytest.mark.sqlite_suffices
class TestWords:
    """What a command says is in the words of the command line."""

    def refused(self, operator, *arguments):
        done = operator.project.cli(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr.splitlines()[-1].removeprefix("Error: ")

    def test_what_is_not_an_id(self, operator):
        said = self.refused(operator, "invites", "revoke", "abc")
        assert "'abc' is not an id, which is a number: see `invites list`" in said

    def test_credits_are_not_added_below_nothing(self, operator):
        said = self.refused(operator, "credits", "add", EMAIL, "-10", "--reason", "x")
        assert said == "to take credits away, use `credits adjust`"

    def test_a_password_that_cannot_be_asked_for(self, operator):
        done = subprocess.run(
            [sys.executable, "-m", "tornado_router.cli", "users", "password", EMAIL],
            cwd=operator.project.folder,
            env=operator.project.env({}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,  # without a terminal
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.endswith("use --password-stdin\n")
        assert "GetPassWarning" not in done.stderr

    @pytest.mark.parametrize(
        ("given", "named"),
        [
            (("--endpoint", "chat"), "--endpoint must be one of "),
            (("--rpm", "-4"), "--rpm "),
            (("--budget", "much"), "--budget "),
        ],
    )
    def test_a_field_is_named_as_its_option(self, operator, given, named):
        line = operator.fails("keys", "create", "--name", "x", "--user", EMAIL, *given)
        assert named in line
        assert "'" + given[0].strip("-") not in line

    def test_the_default_owner_of_a_key_may_be_gone(self, operator):
        operator.run(
            *("users", "create", "--email", "root@example.com", "--admin", "--password-stdin"),
            input=PASSWORD,
        )
        operator.run("users", "delete", "admin@localhost", "--yes")
        said = self.refused(operator, "keys", "create", "--name", "x")
        assert said == "name the owner by --user: admin@localhost, the default, was deleted"

    def test_a_key_for_a_model_that_is_not_there(self, operator):
        words = ("keys", "create", "--name", "x", "--user", EMAIL, "--model")
        done = operator.project.cli(*words, "ecko", "--model", "echo*")
        assert done.returncode == 0
        assert done.stdout.startswith("sk-tr-")
        assert done.stderr == (
            "warning: --model: no model is called 'ecko'; did you mean 'echo'?\n"
        )

    def test_lists_for_programs(self, operator):
        limits = ("--budget", "5", "--budget-period", "week", "--expires-in", "90d")
        operator.run("keys", "create", "--name", "laptop", "--user", EMAIL, *limits)
        users = json.loads(operator.run("users", "list", "--json"))
        assert {user["email"] for user in users} == {"admin@localhost", EMAIL}
        (key,) = json.loads(operator.run("keys", "list", "--json"))
        assert (key["name"], key["user"], key["state"]) == ("laptop", EMAIL, "active")
        assert (key["budget"], key["per"], key["spent"]) == ("5", "week", "0")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", key["expires"])
        plans = json.loads(operator.run("plans", "--json"))
        assert plans[0]["plan"] == "free"
        assert plans[0]["rpm"] == 60
        (entry,) = json.loads(operator.run("credits", "list", EMAIL, "--json"))
        assert entry["amount"] == "1.5"
        assert json.loads(operator.run("invites", "list", "--json")) == []
