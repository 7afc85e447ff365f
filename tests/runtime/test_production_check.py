"""Settings that are unsafe in production are named, and others are not."""

import datetime

import pytest
import trustme

from tornado_router.runtime.loaded_config import load_config
from tornado_router.runtime.production_check import concerns

pytestmark = pytest.mark.sqlite_suffices

SAFE = """
[server]
host = "0.0.0.0"
trusted_proxies = ["10.0.0.0/8"]
[auth]
jwt_secret = "${SECRET}"
first_admin = false
[database]
url = "postgresql://me:${WORD}@db.example/name?sslmode=verify-full"
[redis]
host = "redis.example"
password = "${WORD}"
tls = true
[metrics]
token = "${SECRET}"
[providers.openai]
type = "openai"
api_key = "${WORD}"
[plans.free]
credits = 0
rpm = 10
"""
ENVIRON = {"SECRET": "d9c1f2b3a4e5968778695a4b3c2d1e0f", "WORD": "sk-1", "REPEATED": "a" * 40}


@pytest.fixture
def wheres(tmp_path):
    """The places that are complained of."""

    def wheres(text=SAFE):
        path = tmp_path / "router.toml"
        path.write_text(text)
        path.chmod(0o644)
        return [fault.where for fault in concerns(load_config(path, ENVIRON))]

    return wheres


def test_nothing_is_wrong_with_what_is_safe(wheres):
    assert wheres() == []


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('trusted_proxies = ["10.0.0.0/8"]', "", "server.tls_certificate"),
        ("10.0.0.0/8", "0.0.0.0/0", "server.trusted_proxies"),
        ("10.0.0.0/8", "::/0", "server.trusted_proxies"),
        ("[metrics]", "[metrics]\npublic = true", "metrics.public"),
        ('token = "${SECRET}"', 'token = "${WORD}"', "metrics.token"),
        ("[auth]", '[cors]\norigins = ["*"]\n[auth]', "cors.origins"),
        ("[auth]", '[otel]\nendpoint = "http://otel.example:4318"\n[auth]', "otel.endpoint"),
        ("[auth]", '[otel]\nendpoint = "http://127.0.0.1:4318"\n[auth]', None),
        ("?sslmode=verify-full", "", "database.url"),
        ("?sslmode=verify-full", "?sslmode=prefer", "database.url"),
        ("db.example/name?sslmode=verify-full", "/name?host=db.example", "database.url"),
        ("db.example/name?sslmode=verify-full", "/name?host=/run/postgresql", None),
        ("db.example/name?sslmode=verify-full", "[::1/name", None),
        ('password = "${WORD}"', "", "redis.password"),
        ("tls = true", "", "redis.tls"),
        ("[redis]", '[ledger]\nwhen_full = "serve"\n[redis]', "ledger.when_full"),
        ("[auth]", "[auth]\nbcrypt_rounds = 4", "auth.bcrypt_rounds"),
        ("[auth]", '[auth]\njwt_expires_in = "3650d"', "auth.jwt_expires_in"),
        ("[auth]", "[auth]\nkey_cache_seconds = 86400", "auth.key_cache_seconds"),
        ("[auth]", "[auth]\nattempts_per_account = 1000000", "auth.attempts_per_account"),
        ("${SECRET}", "${REPEATED}", "auth.jwt_secret"),
        ("[auth]", '[pricing]\nunpriced = "free"\n[auth]', "pricing.unpriced"),
        ("[auth]", '[pricing]\nunpriced = "default"\n[auth]', "pricing.unpriced"),
        ("[auth]", '[limits]\nmoney_without_redis = "allow"\n[auth]', "limits.money_without_redis"),
        ("[auth]", '[limits]\nrates_without_redis = "allow"\n[auth]', "limits.rates_without_redis"),
        ("[auth]", '[cache]\nscope = "everybody"\n[auth]', "cache.scope"),
        ("[auth]", '[request_log]\ncalls = "all"\n[auth]', "request_log.calls"),
        ("[plans.free]", '[providers.e]\ntype = "echo"\n[plans.free]', "providers.e"),
        ('api_key = "${WORD}"', 'api_key = "${NONE}"', "providers"),
        (
            'type = "openai"',
            'type = "openai"\nbase_url = "http://llm.example/v1"',
            "providers.openai.base_url",
        ),
        ("credits = 0", "credits = 5", None),
    ],
)
def test_what_is_not_is_named(wheres, old, new, where):
    assert old in SAFE
    assert wheres(SAFE.replace(old, new)) == ([where] if where else [])


def test_a_provider_that_is_off_is_a_concern_where_a_route_counts_on_it(wheres):
    off = SAFE + '[providers.groq]\ntype = "groq"\napi_key = "${NONE}"\n'
    assert wheres(off) == []
    assert wheres(off + '[routes.a]\ntargets = ["openai/x", "groq/y"]\n') == ["routes.a"]


def test_several_routers_need_a_database_that_they_share(wheres):
    url = 'url = "postgresql://me:${WORD}@db.example/name?sslmode=verify-full"'
    text = SAFE.replace(url, "").replace("[auth]", "[limits]\nprocesses = 3\n[auth]")
    assert wheres(text) == ["database.url"]
    assert wheres(text.replace("[server]", "[server]\nworkers = 3")) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (SAFE.replace("first_admin = false", ""), ["auth.first_admin"]),
        ("[log]\nformat = 'json'", ["auth.first_admin"]),
        ("[database]\nurl = 'postgresql:///router'", ["auth.first_admin"]),
        ("[log]\nformat = 'text'", []),
    ],
    ids=["host", "json", "postgresql", "terminal"],
)
def test_the_first_key_is_not_printed_to_a_log(wheres, text, where):
    assert wheres(f'{text}\n[providers.o]\ntype = "openai"\napi_key = "${{WORD}}"') == where


def test_open_registration(wheres):
    text = SAFE.replace("[auth]", '[auth]\nregistration = "open"')
    assert wheres(text) == []
    assert wheres(text.replace("credits = 0", "credits = 5")) == ["auth.registration"]
    assert wheres(text.replace("rpm = 10", "")) == ["auth.default_plan"]
    unlimited = text.replace("[auth]", '[auth]\ndefault_plan = "unlimited"')
    assert wheres(unlimited) == ["auth.default_plan"] * 2


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('api_key = "${WORD}"', 'api_key = "sk-2"', "providers.openai.api_key"),
        ('api_key = "${WORD}"', 'api_key = "${NO:-sk-2}"', "providers.openai.api_key"),
        ("me:${WORD}@", "me:pw@", "database.url"),
        ('password = "${WORD}"', 'password = "pre${WORD}"', "redis.password"),
        (
            "[plans.free]",
            'headers = {Authorization = "Bearer abc"}\n[plans.free]',
            "providers.openai.headers.Authorization",
        ),
        ("[plans.free]", 'headers = {Authorization = "Bearer ${WORD}"}\n[plans.free]', None),
        ("[plans.free]", 'headers = {X-Team = "blue"}\n[plans.free]', None),
        (
            "[plans.free]",
            'base_url = "https://me:pw@llm.example/v1"\n[plans.free]',
            "providers.openai.base_url",
        ),
        ("[auth]", '[otel]\nheaders = "x-team=blue,x-token=${WORD}"\n[auth]', None),
        ("[auth]", '[otel]\nheaders = "x-token=abc"\n[auth]', "otel.headers.x-token"),
    ],
)
def test_secrets_in_the_file(wheres, tmp_path, old, new, where):
    assert old in SAFE
    found = wheres(SAFE.replace(old, new))
    assert found == ([where, str(tmp_path / "router.toml")] if where else [])


def test_files_with_secrets_that_anybody_can_read(wheres, tmp_path):
    secret, env = tmp_path / "secret", tmp_path / ".env"
    secret.write_text("sk-3")
    env.write_text("WORD=x\n")
    text = SAFE.replace('api_key = "${WORD}"', f'api_key = "${{file:{secret}}}"')
    for path in (secret, env):
        path.chmod(0o604)
    assert wheres(text) == [str(env), str(secret)]
    for path in (secret, env):
        path.chmod(0o600)
    assert wheres(text) == []


@pytest.mark.parametrize(("days", "where"), [(13, ["server.tls_certificate"]), (15, [])])
def test_a_certificate_that_expires_soon(wheres, tmp_path, days, where):
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    pair = trustme.CA().issue_cert("llm.example", not_after=ends)
    pair.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    pair.private_key_pem.write_to_path(tmp_path / "tls.key")
    (tmp_path / "tls.key").chmod(0o600)
    files = 'tls_certificate = "tls.crt"\ntls_key = "tls.key"'
    assert wheres(SAFE.replace("[server]", f"[server]\n{files}")) == where


def test_this_machine_alone_needs_no_tls(wheres):
    alone = '[providers.o]\ntype = "openai"\napi_key = "${WORD}"\n'
    assert wheres(alone) == []
    # behind a proxy on the same machine, anybody may still come
    opened = alone + '[metrics]\npublic = true\n[cors]\norigins = ["*"]\n'
    assert wheres(opened) == ["metrics.public", "cors.origins"]


def test_the_command(router_project):
    project = router_project({"router.toml": '[providers.e]\ntype = "echo"\nmodels = ["echo"]\n'})
    assert project.cli("check").returncode == 0
    ended = project.cli("check", "--production")
    assert ended.returncode == 1
    assert "providers.e: `echo` is for trying things out" in ended.stderr
    assert ended.stderr.endswith("router.toml: no faults, but 1 concern\n")
    assert project.cli("check", "--production", "--accept", "providers.e").returncode == 0
