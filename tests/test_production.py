"""What should not serve a company, and what may."""

import pytest

from tornado_router.deployment import read_deployment
from tornado_router.production import concerns

SAFE = """
[server]
host = "0.0.0.0"
trusted_proxies = ["10.0.0.0/8"]
[auth]
jwt_secret = "${SECRET}"
[database]
url = "postgresql://me:${WORD}@db.example/name?sslmode=verify-full"
[redis]
host = "redis.example"
password = "${WORD}"
[metrics]
token = "${SECRET}"
[providers.openai]
type = "openai"
api_key = "${WORD}"
[plans.free]
credits = 0
rpm = 10
"""
ENVIRON = {"SECRET": "d9c1f2b3a4e5968778695a4b3c2d1e0f", "WORD": "sk-1"}


@pytest.fixture
def wheres(tmp_path):
    """The places that are complained of."""

    def wheres(text=SAFE):
        path = tmp_path / "router.toml"
        path.write_text(text)
        path.chmod(0o644)
        return [fault.where for fault in concerns(read_deployment(path, ENVIRON))]

    return wheres


def test_nothing_is_wrong_with_what_is_safe(wheres):
    assert wheres() == []


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('trusted_proxies = ["10.0.0.0/8"]', "", "server.tls_certificate"),
        ("[metrics]", "[metrics]\npublic = true", "metrics.public"),
        ("[auth]", '[cors]\norigins = ["*"]\n[auth]', "cors.origins"),
        ("?sslmode=verify-full", "", "database.url"),
        ("?sslmode=verify-full", "?sslmode=prefer", "database.url"),
        ('password = "${WORD}"', "", "redis.password"),
        ("[redis]", '[ledger]\nwhen_full = "serve"\n[redis]', "ledger.when_full"),
        ("[auth]", "[auth]\nbcrypt_rounds = 4", "auth.bcrypt_rounds"),
        ("[auth]", '[pricing]\nunpriced = "free"\n[auth]', "pricing.unpriced"),
        ("[auth]", '[limits]\nmoney_without_redis = "allow"\n[auth]', "limits.money_without_redis"),
        ("[plans.free]", '[providers.e]\ntype = "echo"\n[plans.free]', "providers.e"),
        ('api_key = "${WORD}"', 'api_key = "${NONE}"', "providers.openai"),
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


def test_open_registration(wheres):
    text = SAFE.replace("[auth]", '[auth]\nregistration = "open"')
    assert wheres(text) == []
    assert wheres(text.replace("credits = 0", "credits = 5")) == ["auth.registration"]
    assert wheres(text.replace("rpm = 10", "")) == ["auth.default_plan"]
    unlimited = text.replace("[auth]", '[auth]\ndefault_plan = "unlimited"')
    assert wheres(unlimited) == ["auth.default_plan"] * 2


def test_secrets_in_the_file(wheres, tmp_path):
    text = SAFE.replace('api_key = "${WORD}"', 'api_key = "sk-2"').replace("me:${WORD}", "me:pw")
    found = wheres(text)
    assert found == ["database.url", "providers.openai.api_key", str(tmp_path / "router.toml")]
    (tmp_path / ".env").write_text("WORD=x\n")
    (tmp_path / ".env").chmod(0o604)
    assert wheres() == [str(tmp_path / ".env")]
    (tmp_path / ".env").chmod(0o600)
    assert wheres() == []


def test_this_machine_alone_needs_no_tls(wheres):
    assert wheres('[providers.e]\ntype = "echo"\nmodels = ["echo"]\n') == ["providers.e"]


def test_the_command(router_project):
    project = router_project({"router.toml": '[providers.e]\ntype = "echo"\nmodels = ["echo"]\n'})
    assert project.cli("check").returncode == 0
    ended = project.cli("check", "--production")
    assert ended.returncode == 1
    assert "providers.e: `echo` is for trying things out" in ended.stderr
    assert ended.stderr.endswith("router.toml: no faults, but 1 concern\n")
