"""What the head of a call says: the same whether the head is known, new, or of Tornado's own."""

import pytest
from tornado.httputil import HTTPHeaders

from tornado_router.http.head_facts import MAX_CLIENT, facts_of, session_of
from tornado_router.http.llhttp.request_head import read_head

SENT = {
    "X-Request-Id": "req_1",
    "Authorization": "Bearer sk-1",
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Router-Target": "openai/gpt-4o",
    "Traceparent": "00-1",
    "User-Agent": "OpenAI/Python 2.8.1",
}


def read(headers, length=5):
    lines = [f"{name}: {value}" for name, value in {"Host": "a", **headers}.items()]
    lines = ["POST / HTTP/1.1", *lines, f"Content-Length: {length}", "", ""]
    return read_head("\r\n".join(lines).encode()).headers


@pytest.mark.parametrize("name", [None, *SENT])
def test_facts_are_those_that_tornados_headers_have(name):
    sent = {key: value for key, value in SENT.items() if key != name}
    facts = facts_of(HTTPHeaders(sent))
    assert [value for value in facts if value] == list(sent.values())
    assert facts_of(read(sent)) == facts
    assert facts_of(read(sent, length=77)) == facts


def test_requests_with_other_heads_have_other_facts():
    first, other = read({"Authorization": "Bearer sk-1"}), read({"Authorization": "Bearer sk-2"})
    assert facts_of(first).authorization == "Bearer sk-1"
    assert facts_of(other).authorization == "Bearer sk-2"
    assert facts_of(read({"Authorization": "Bearer sk-1"}, 9)) is facts_of(first)


def test_the_name_of_a_client_may_be_recorded():
    assert facts_of(HTTPHeaders({"User-Agent": "a" * 500})).client == "a" * MAX_CLIENT
    assert facts_of(read({"User-Agent": "curl \t1"})).client == "curl  1"
    assert facts_of(HTTPHeaders()).client == ""


@pytest.mark.parametrize("make", [HTTPHeaders, read])
def test_the_session_is_that_of_the_first_header_that_is_there(make):
    headers = make({"Session-Id": "second", "X-Session": "first\t1"})
    assert session_of(headers, ("x-session", "session-id")) == "first 1"
    assert session_of(headers, ("none", "session-id")) == "second"
    assert session_of(headers, ()) == session_of(make({}), ("x-session",)) == ""
    assert session_of(headers, ("x-session", "session-id")) == "first 1"
    assert session_of(make({"X-Session": "s" * 500}), ("x-session",)) == "s" * MAX_CLIENT
