"""The command line does what HTTP does: the same results, the same refusals, the same limits."""

import asyncio
import re
from decimal import Decimal
from types import SimpleNamespace

import orjson
import pytest
from click.testing import CliRunner

from tornado_router.accounts import credits, invites, keys, registration
from tornado_router.accounts.passwords import hash_password
from tornado_router.cli import (
    credit_commands,
    invite_commands,
    key_commands,
    open_accounts,
    plan_commands,
    user_commands,
)
from tornado_router.cli.main import main
from tornado_router.ledger.record import Charge
from tornado_router.limits.limiter import Demand, LimitReachedError
from tornado_router.limits.memory import IDLE
from tornado_router.storage.tables import ApiKey, CreditEntry, Invite, UsageLog, User

from ..finished import finished
from ..servers import own_redis
from ..support import poll

PASSWORD = "correct horse 7 battery"
ROUTER_TOML = """
[auth]
jwt_secret = "0d1f8b8a5fb04d1c9a5c1f6a7c1f2b3d"
bcrypt_rounds = 4
[plans.free]
credits = 5
[plans.pro]
rpm = 5
[providers.echo]
type = "echo"
models = ["echo"]
"""


@pytest.fixture
def redis_toml():
    """`[redis]`, for tests with one."""
    return ""


@pytest.fixture
def app_files(redis_toml):
    return {"router.toml": ROUTER_TOML + redis_toml}


@pytest.fixture
def people(app):
    """An administrator, 1, and twins: HTTP changes 2, and the command line 3."""
    plans = app.services.serving.plans

    def make():
        hashed = hash_password(PASSWORD, 4)
        root = registration.create_user(
            plans, "root@x.org", actor="test", is_admin=True, password_hash=hashed
        )
        for email in ("http@x.org", "cli@x.org"):
            twin = registration.create_user(plans, email, actor="test", password_hash=hashed)
            keys.create(twin.id, {"name": "laptop"}, ())
            invites.create_invite(plans, actor="test")
        return app.services.accounts.sessions.begin(root).token

    return app.storage.call(make)


@pytest.fixture
def over_http(http_client, base_url, people):
    """Does a deed over HTTP, as the administrator; returns the message of a refusal."""

    async def ask(method, path, body=None):
        response = await http_client.fetch(
            base_url + path,
            method=method,
            headers={"Authorization": f"Bearer {people}", "Content-Type": "application/json"},
            body=None if body is None else orjson.dumps(body),
            raise_error=False,
            allow_nonstandard_methods=True,
        )
        found = orjson.loads(response.body) if response.body else {}
        return found["error"]["message"] if "error" in found else None

    return ask


@pytest.fixture
def over_cli(app, tmp_path, monkeypatch):
    """Does a deed by a command beside the router; returns the message of a refusal."""
    storage = SimpleNamespace(call=app.storage.call, run=app.storage.run, close=lambda: None)
    monkeypatch.setattr(open_accounts, "open_storage", lambda _: storage)
    monkeypatch.setattr("tornado_router.cli.common.log.setup", lambda _, secrets: None)

    async def run(*words):
        words = (*words[:2], "--config", str(tmp_path / "router.toml"), *words[2:])
        done = await asyncio.to_thread(CliRunner().invoke, main, words, input=PASSWORD + "\n")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        if done.exit_code == 0:
            return None
        return re.fullmatch(r"Error: (.*)\n", done.stderr)[1]

    return run


def state(app, user_id):
    """What the database holds of a twin and of others with the same name before the @."""
    secret = ("id", "key_hash", "prefix", "code_hash", "created_by", "actor", "password_hash")
    hidden = (*secret, "user", "used_by", "previous_hash")

    def plain(row):
        found = {name: value for name, value in row.items() if name not in hidden}
        found = {name: str(value) for name, value in found.items() if not name.endswith("_at")}
        found["ended"] = [
            name for name in ("revoked_at", "deleted_at", "previous_expires_at") if row.get(name)
        ]
        return found

    def read():
        side = "http" if user_id == 2 else "cli"
        mine = (User.id == user_id) | (User.email == f"{side}-new@x.org")
        users = [plain(row) for row in User.select().where(mine).order_by(User.id).dicts()]
        for user in users:
            user["email"] = user["email"].replace(side, "twin").replace(str(user_id), "N")
        rows = [
            plain(row)
            for table in (ApiKey, CreditEntry)
            for row in table.select().where(table.user == user_id).order_by(table.id).dicts()
        ]
        made = [
            row
            for row in Invite.select().order_by(Invite.id).dicts()
            if row["id"] == user_id - 1 or side in (row["email"] or "")
        ]
        invited = [(row["plan"], (row["email"] or "").replace(side, "twin")) for row in made]
        return users, rows, invited

    return app.storage.call(read)


USER, KEY, INVITE = "/admin/users/2", "/api-keys/1", "/admin/invites/1"
EMAIL = "cli@x.org"
NEW = {"password": PASSWORD, "plan": "pro", "name": "New"}
STDIN = "--password-stdin"

DEEDS = {
    "users create": (
        ("POST", "/admin/users", {"email": "http-new@x.org", **NEW}),
        ("users", "create", "--email", "cli-new@x.org", "--plan", "pro", "--name", "New", STDIN),
    ),
    "users set": (
        ("PATCH", USER, {"name": "A", "plan": "pro", "is_admin": True, "is_active": False}),
        ("users", "set", EMAIL, "--name", "A", "--plan", "pro", "--admin", "--no-active"),
    ),
    "users password": (
        ("POST", f"{USER}/password", {"new_password": PASSWORD}),
        ("users", "password", EMAIL, STDIN),
    ),
    "users delete": (("DELETE", USER), ("users", "delete", EMAIL, "--yes")),
    "credits add": (
        ("POST", f"{USER}/credits", {"amount": "2.5", "kind": "top_up", "reason": "paid"}),
        ("credits", "add", EMAIL, "2.5", "--reason", "paid"),
    ),
    "credits adjust": (
        ("POST", f"{USER}/credits", {"amount": "-5", "kind": "adjust", "reason": "refund"}),
        ("credits", "adjust", EMAIL, "-5", "--reason", "refund"),
    ),
    "invites create": (
        ("POST", "/admin/invites", {"email": "http@y.org", "plan": "pro"}),
        ("invites", "create", "--email", "cli@y.org", "--plan", "pro"),
    ),
    "invites revoke": (("DELETE", INVITE), ("invites", "revoke", "2")),
    "keys rotate": (
        ("POST", f"{KEY}/rotate", {"grace_seconds": 3600}),
        ("keys", "rotate", "2", "--grace", "1h"),
    ),
    "keys revoke": (("DELETE", KEY), ("keys", "revoke", "2")),
    "keys set": (
        (
            *("PATCH", KEY),
            {
                **{"name": "b", "models": ["echo", "x-*"], "endpoints": ["chat.completions"]},
                **{"rpm": 5, "tpm": 0, "max_in_flight": 2, "budget": "2.5"},
                **{"budget_period": "day", "log_requests": False, "is_active": False},
            },
        ),
        (
            *("keys", "set", "2", "--name", "b", "--model", "echo", "--model", "x-*"),
            *("--endpoint", "chat.completions", "--rpm", "5", "--tpm", "0", "--max-in-flight"),
            *("2", "--budget", "2.5", "--budget-period", "day", "--log-requests", "no"),
            "--no-active",
        ),
    ),
}
"""What can be done in both ways, by its command."""

COMMAND_LINE_ONLY = {
    "keys create": "over HTTP one creates keys for oneself; see TestKeys in accounts/test_service",
    **dict.fromkeys(["users list", "users show", "credits list", "keys list"], "reads"),
    **dict.fromkeys(["invites list", "plans", "keys show"], "reads"),
}


def test_every_command_is_compared():
    groups = (
        *(user_commands.users_group, credit_commands.credits_group),
        *(invite_commands.invites_group, key_commands.keys_group),
    )
    names = {f"{group.name} {name}" for group in groups for name in group.commands}
    assert names | {plan_commands.plans_command.name} == {*DEEDS, *COMMAND_LINE_ONLY}


@pytest.mark.gen_test
@pytest.mark.parametrize(("http", "cli"), DEEDS.values(), ids=DEEDS)
async def test_a_deed_has_the_same_result(app, over_http, over_cli, http, cli):
    before = state(app, 2)
    assert before == state(app, 3)
    assert await over_http(*http) is None
    assert await over_cli(*cli) is None
    assert state(app, 2) == state(app, 3) != before


REFUSALS = {
    "an unknown plan": (
        ("POST", "/admin/users", {"email": "new@x.org", "plan": "gold"}),
        ("users", "create", "--email", "new@x.org", "--plan", "gold", STDIN),
    ),
    "a taken address": (
        ("POST", "/admin/users", {"email": "http@x.org"}),
        ("users", "create", "--email", "http@x.org", STDIN),
    ),
    "no address": (
        ("POST", "/admin/users", {"email": "x"}),
        ("users", "create", "--email", "x", STDIN),
    ),
    "the last administrator": (
        ("PATCH", "/admin/users/1", {"is_active": False}),
        ("users", "set", "root@x.org", "--no-active"),
    ),
    "a name with a line break": (
        ("PATCH", USER, {"name": "a\nb"}),
        ("users", "set", EMAIL, "--name", "a\nb"),
    ),
    "no amount": (
        ("POST", f"{USER}/credits", {"amount": "much", "kind": "top_up", "reason": "x"}),
        ("credits", "add", EMAIL, "much", "--reason", "x"),
    ),
    "no reason": (
        ("POST", f"{USER}/credits", {"amount": "1", "kind": "top_up", "reason": " "}),
        ("credits", "add", EMAIL, "1", "--reason", " "),
    ),
    "more than there is": (
        ("POST", f"{USER}/credits", {"amount": "-6", "kind": "adjust", "reason": "x"}),
        ("credits", "adjust", EMAIL, "-6", "--reason", "x"),
    ),
    "an unknown invite": (("DELETE", "/admin/invites/9"), ("invites", "revoke", "9")),
    "an invite to an unknown plan": (
        ("POST", "/admin/invites", {"plan": "gold"}),
        ("invites", "create", "--plan", "gold"),
    ),
    "an unknown key": (("DELETE", "/api-keys/9"), ("keys", "revoke", "9")),
    "a rate below nothing": (("PATCH", KEY, {"rpm": -1}), ("keys", "set", "2", "--rpm", "-1")),
    "an endpoint that there is not": (
        ("PATCH", KEY, {"endpoints": ["chat"]}),
        ("keys", "set", "2", "--endpoint", "chat"),
    ),
    "an unknown key to rotate": (("POST", "/api-keys/9/rotate", {}), ("keys", "rotate", "9")),
}


@pytest.mark.gen_test
@pytest.mark.parametrize(("http", "cli"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_has_the_same_words(over_http, over_cli, http, cli):
    """But for a field, which is an option there."""
    refused = await over_http(*http)
    assert refused
    said = re.sub(r"'(email|name|reason|rpm|endpoint)(s\[0\])?'", r"--\1", refused)
    assert await over_cli(*cli) == said


@pytest.mark.gen_test
async def test_an_unknown_user_is_named_as_it_was_asked_for(over_http, over_cli):
    assert await over_http("GET", "/admin/users/9") == "There is no user 9."
    assert await over_cli("users", "show", "eve@x.org") == "There is no user 'eve@x.org'."


@pytest.fixture
def prints(app, over_cli, tmp_path):
    """What a command prints."""

    def run(*words):
        words = (*words, "--config", str(tmp_path / "router.toml"))
        done = CliRunner().invoke(main, words)
        assert done.exit_code in (0, 1, 2), done.exception
        return done.output

    return lambda *words: asyncio.to_thread(run, *words)


@pytest.mark.gen_test
async def test_a_key_is_shown_with_what_is_left_of_its_budget(app, over_http, over_cli, prints):
    assert await over_cli("keys", "set", "2", "--budget", "2", "--rpm", "9") is None
    charge = Charge(500_000_000)
    app.ledger.add(finished(user_id=3, key_id=2, charge=charge))
    await asyncio.to_thread(poll, lambda: app.storage.call(UsageLog.select().count))
    shown = await prints("keys", "show", "2")
    lines = dict(re.split("  +", line, maxsplit=1) for line in shown.splitlines())
    assert (lines["budget"], lines["spent"], lines["left"]) == ("2 a month", "0.5", "1.5")
    assert (lines["requests per minute"], lines["models"], lines["user"]) == ("9", "any", EMAIL)
    assert (lines["expires"], lines["last used"]) == ("never", "2027-01-15 08:00 UTC")
    as_json = orjson.loads(await prints("keys", "show", lines["key"], "--json"))
    assert (as_json["id"], as_json["budget_left"], as_json["rpm"]) == (2, "1.5", 9)
    assert "key" not in as_json
    assert as_json["budget_renews_at"]


@pytest.mark.gen_test
async def test_a_limit_is_lifted_by_a_word(app, over_http, over_cli, prints):
    given = ("--rpm", "9", "--budget", "2", "--model", "echo", "--expires-in", "9d")
    for words in (given, [word if word[0] == "-" else "none" for word in given]):
        assert await over_cli("keys", "set", "2", *words) is None
        key = orjson.loads(await prints("keys", "show", "2", "--json"))
        limits = [key[name] for name in ("rpm", "budget", "models", "expires_at")]
        assert [limit is None for limit in limits] == [words != given] * 4
    assert "stands alone" in await prints("keys", "set", "2", "--model", "none", "--model", "x")
    assert "nothing to change" in await prints("keys", "set", "2")


@pytest.mark.gen_test
async def test_a_key_is_named_by_its_beginning_or_all_of_it(app, over_http, over_cli, prints):
    made = app.storage.call(lambda: [keys.create(3, {"name": "x"}, ()) for _ in range(2)])
    (row, secret), (other, _) = made
    for name in (str(row.id), row.prefix, f"{row.prefix}...", secret):
        assert orjson.loads(await prints("keys", "show", name, "--json"))["id"] == row.id
    app.storage.call(lambda: ApiKey.update(prefix=row.prefix).execute())
    assert f"by its id: 1, 2, {row.id}, {other.id}." in await prints("keys", "show", row.prefix)
    for unknown in ("sk-tr-abcdef", f"{secret}x"):
        said = await prints("keys", "show", unknown)
        assert f"There is no API key {unknown[:12]}..." in said
        assert secret not in said
    for text in ("abc", "sk-tr-", "1.5", "9" * 30):
        assert "neither the id of a key" in await prints("keys", "revoke", text)


@pytest.mark.gen_test
async def test_usage_is_what_http_reports(app, http_client, base_url, people, over_cli, prints):
    calls = [("fast", 3, 500), ("fast", 3, 500), ("=slow", 2, 20)]
    for number, (model, user, cost) in enumerate(calls):
        fields = {"model": model, "user_id": user, "key_id": user - 1}
        charge = Charge(cost * 10**6)
        app.ledger.add(finished(call_id=f"req_{number}", charge=charge, **fields))
    await asyncio.to_thread(poll, lambda: app.storage.call(UsageLog.select().count) == len(calls))
    span = ("--since", "2020-01-01", "--until", "2100-01-01")
    *lines, last = (await prints("usage", *span)).splitlines()
    assert last == "3 calls cost 0 as the model has no price: see `models`"
    assert [line.split()[0] for line in lines] == ["model", "fast", "=slow", "total"]
    assert [line.split()[-1] for line in lines] == ["cost", "1", "0.02", "1.02"]
    assert EMAIL in (await prints("usage", "--by", "user", *span)).splitlines()[1]
    for more, query in (
        (("--by", "key"), "group_by=key"),
        (("--by", "day", "--user", EMAIL), "group_by=day&user_id=3"),
        (("--by", "model", "--key", "1", "--model", "=slow"), "group_by=model&key_id=1"),
    ):
        for form in ("json", "csv"):
            said = await http_client.fetch(
                f"{base_url}/usage?from=2020-01-01&to=2100-01-01&{query}&format={form}",
                headers={"Authorization": f"Bearer {people}"},
            )
            printed = await prints("usage", *span, *more, f"--{form}")
            expected = said.body.decode()
            if form == "json":
                assert orjson.loads(printed) == orjson.loads(expected)
            else:
                assert printed.splitlines() == expected.splitlines()
    said = await prints("usage", "--since", "2026-11-02", "--until", "2026-11-01")
    assert "--since must be before --until." in said
    assert "--since must be a day such as" in await prints("usage", "--since", "soon")
    assert "one of --csv and --json" in await prints("usage", "--csv", "--json")


class Money:
    """The credits of user 3 while a call holds 4.20 of 5."""

    COST = 4_200_000_000

    def __init__(self, app):
        self.app = app
        self.limiter = app.services.accounts.limiter

    async def reserve(self, cost):
        purse = self.app.storage.call(lambda: credits.purse(User.get_by_id(3)))
        return await self.limiter.admit(Demand("call", (), (purse,), cost=cost))

    def end(self, lease):
        """The call ends, and costs all that it held."""
        self.limiter.settle(lease, 0, self.COST)
        charge = Charge(self.COST)
        self.app.ledger.add(finished(user_id=3, key_id=2, charge=charge, paid_from_credits=True))

    def balance(self):
        """Credits and spending, after a look at whether they are all that was put in."""

        def read():
            user = User.get_by_id(3)
            entries = CreditEntry.select().where(CreditEntry.user == 3)
            assert sum(entry.amount for entry in entries) == user.credits + user.spent
            return user.credits, user.spent

        return self.app.storage.call(read)

    def charges(self):
        """Of each call, what it was charged and what it was not."""

        def read():
            rows = UsageLog.select().where(UsageLog.user == 3)
            return [(row.cost, row.uncharged) for row in rows]

        return self.app.storage.call(read)


ADJUST = ("credits", "adjust", EMAIL, "-5", "--reason", "refund")


@pytest.mark.gen_test
async def test_a_balance_that_a_command_empties_beside_a_router_stays_at_zero(
    app, over_http, over_cli, monkeypatch
):
    """Without Redis, the command cannot see what the router's calls hold."""
    money = Money(app)
    lease = await money.reserve(Money.COST)
    assert await over_cli(*ADJUST) is None
    assert money.balance() == (0, 0)
    money.end(lease)
    assert await asyncio.to_thread(poll, money.charges) == [(0, Decimal("4.2"))]
    assert money.balance() == (0, 0)
    # The router takes it for charged, but not forever: then what is put in can be spent.
    assert await over_cli("credits", "add", EMAIL, "1", "--reason", "paid") is None
    with pytest.raises(LimitReachedError):
        await money.reserve(1_000_000_000)
    later = money.limiter._clock() + IDLE
    monkeypatch.setattr(money.limiter, "_clock", lambda: later)
    with pytest.raises(LimitReachedError):
        await money.reserve(1_000_000_001)
    await money.reserve(1_000_000_000)


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory):
    with own_redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


class TestWithRedis:
    @pytest.fixture
    def redis_toml(self, redis_server):
        redis_server.ask("FLUSHALL")
        return f'[redis]\nhost = "127.0.0.1"\nport = {redis_server.port}\ntimeout = 5.0\n'

    @pytest.mark.gen_test
    async def test_a_command_takes_nothing_that_calls_hold(self, app, over_http, over_cli):
        money = Money(app)
        lease = await money.reserve(Money.COST)
        body = {"amount": "-5", "kind": "adjust", "reason": "refund"}
        refused = await over_http("POST", "/admin/users/3/credits", body)
        assert "reserved by calls in progress" in refused
        assert await over_cli(*ADJUST) == refused
        assert money.balance() == (5, 0)
        money.end(lease)
        await asyncio.to_thread(poll, lambda: money.balance()[1])
        assert money.balance() == (Decimal("0.8"), Decimal("4.2"))

    @pytest.mark.gen_test
    async def test_a_command_leaves_nothing_reserved_and_is_heard(self, app, over_http, over_cli):
        heard = []
        app.services.accounts.invalidation.listen(heard.append)
        assert await over_cli("credits", "adjust", EMAIL, "-1", "--reason", "x") is None
        await asyncio.to_thread(poll, lambda: 3 in heard)
        lease = await Money(app).reserve(4_000_000_000)
        app.services.accounts.limiter.settle(lease, 0, 0)
