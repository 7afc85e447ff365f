"""Where clients are, in the log of a router behind a proxy."""

import pytest

pytestmark = pytest.mark.sqlite_suffices

ROUTER_TOML = """
[server]
port = 0
trusted_proxies = ["127.0.0.1"]
[log]
format = "json"
client_addresses = {told}
[providers.echo]
type = "echo"
models = ["echo"]
"""
FORWARDED = {"X-Forwarded-For": "6.6.6.6, 203.0.113.5:4711"}
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello out there"}]}


@pytest.mark.parametrize(("told", "address"), [("true", "203.0.113.5"), ("false", "")])
def test_lines_tell_it_if_they_may(router_project, told, address):
    router = router_project({"router.toml": ROUTER_TOML.format(told=told)}).serve()
    guess = b'{"email": "ada@example.com", "password": "a wrong password"}'
    headers = {**FORWARDED, "Content-Type": "application/json", "X-Request-Id": "guess"}
    assert router.request("POST", "/auth/login", guess, headers).status == 401
    assert router.post(HELLO, x_request_id="misuse", authorization="x", **FORWARDED).status == 401
    assert router.post(HELLO, x_request_id="call", **FORWARDED).status == 200
    for request_id in ("guess", "misuse", "call"):
        assert router.log_line(request_id)["client_address"] == address


@pytest.mark.parametrize(
    ("headers", "client", "session"),
    [
        ({}, "", ""),
        (
            {"user_agent": "claude-cli/2.1.197 (external, cli)"},
            "claude-cli/2.1.197 (external, cli)",
            "",
        ),
        ({"user_agent": "x" * 300, "session_id": "s" * 300}, "x" * 100, "s" * 100),
        (
            {
                "session_id": "codex",
                "x_claude_code_session_id": "0199a213-81c0-7800-8aa1-bbab2a035a53",
            },
            "",
            "0199a213-81c0-7800-8aa1-bbab2a035a53",
        ),
        ({"user_agent": "sk-" + "a1B2" * 12}, "[redacted]", ""),
    ],
)
def test_the_line_of_a_call_has_program_and_session(router_project, headers, client, session):
    router = router_project({"router.toml": ROUTER_TOML.format(told="true")}).serve()
    assert router.post(HELLO, x_request_id="call", **headers).status == 200
    line = router.log_line("call")
    assert (line["client"], line["session"]) == (client, session)
