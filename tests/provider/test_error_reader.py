"""What vendors say of a failure, in every shape that was seen."""

import orjson
import pytest

from tornado_router.provider import UpstreamResponse, is_error, reported_error, vendor_error
from tornado_router.provider.error_reader import MAX_LINE, MAX_WORDS

PAGE = b"<!DOCTYPE html><html><head><title>413 Request Entity Too Large</title></head></html>"


def error(body, status=400, **headers):
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return vendor_error("v", UpstreamResponse(status, headers, data))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "No."}}, "No."),
        ({"error": "Argument not supported: stop", "code": "x y"}, "Argument not supported: stop"),
        ({"object": "error", "message": "No.", "code": 400}, "No."),
        ({"message": {"detail": [{"loc": ["body", "n"], "msg": "Too big"}]}}, "Too big (n)"),
        ({"detail": "Not Found here"}, "Not Found here"),
        (
            {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Field required"}]},
            "Field required (messages[0].role)",
        ),
        ({"detail": [{"msg": "One"}, {"msg": "Two", "loc": ["x"]}]}, "One; Two (x)"),
        ([{"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}], "No."),
        ({"message": "No."}, "No."),
        (
            {"error": "Bad Request", "message": "model is needed", "statusCode": 400},
            "model is needed",
        ),
        ({"errors": [{"message": "No."}]}, "No."),
        ({"error": {"detail": "No."}}, "No."),
        ({"type": "about:blank", "title": "Bad", "detail": "No such thing"}, "No such thing"),
        ({"error_code": 336003, "error_msg": "messages is empty"}, "messages is empty"),
        ({"error": [{"message": "No."}]}, "No."),
        ("No.", "No."),
        (b"upstream request\ttimeout\nsecond line", "upstream request timeout"),
        (PAGE, "413 Request Entity Too Large"),
        (b"<p>\n<b>Access</b> denied</p>", "Access"),
        (b"<html><h1>Bad &amp; gone</h1></html>", "Bad & gone"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_words(body, words):
    assert error(body).message == words


def test_the_cause_behind_a_vendor_that_hands_errors_on():
    raw = '{"error":{"message":"prompt is too long"}}'
    body = {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}}
    assert error(body).message == "Provider returned error: prompt is too long"


def test_the_field_that_a_framework_names():
    body = {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Field required"}]}
    assert error(body).param == "messages[0].role"


@pytest.mark.parametrize(
    ("code", "expected"),
    [("slow", "slow"), (3051, "3051"), ("1113", "1113"), (400, None), ("429", None), ("a b", None)],
)
def test_codes(code, expected):
    assert error({"error": {"message": "No.", "code": code}}).code == expected


def test_a_text_about_the_inside_of_a_server_is_for_the_log():
    found = error(b"cannot reach 10.0.0.5\n")
    assert found.message == "The provider 'v' responded with status 400."
    assert found.words == "cannot reach 10.0.0.5"


def test_a_traceback_says_nothing():
    found = error(b"Traceback (most recent call last):\n  File x\nKeyError: 'prompt'")
    assert found.message == "The provider 'v' responded with status 400."
    assert found.words == ""


@pytest.mark.parametrize("body", [{"error": {"message": "CUDA error"}}, b"upstream is away"])
def test_the_words_of_a_server_error_are_for_the_log(body):
    found = error(body, 503)
    assert found.message == "The provider 'v' responded with status 503."
    assert found.words in ("CUDA error", "upstream is away")


@pytest.mark.parametrize(
    "words", ["dial tcp 10.0.0.5:11434: refused", "at app.py line 3", "a\nb", "node.corp:8000 died"]
)
def test_an_error_behind_a_200_keeps_addresses_of_servers_for_the_log(words):
    found = reported_error("v", {"error": {"message": words, "code": 500}})
    assert found.message == "The provider 'v' reports an error."
    assert found.words == words


def test_what_is_read_is_bounded():
    assert len(error({"error": {"message": "x" * 10**6}}).message) == MAX_WORDS
    assert len(error(b"xx " * 10**6).message) <= MAX_LINE
    deep = {"detail": "x"}
    for _ in range(50):
        deep = {"message": deep}
    assert error(deep).message == "The provider 'v' responded with status 400."
    many = {"detail": [{"msg": "x"}] * 1000}
    assert error(many).message == "x; x; x"


@pytest.mark.parametrize(
    "body", [b"<" * 10**6, b"<title" * 10**5, b"<title>" * 10**5, b"\n" * 10**6]
)
def test_no_page_takes_long(body):
    assert error(body).status == 400


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ({"error": {"code": 402}}, 402),
        ({"error": {"code": "503"}}, 503),
        ({"error": {"status": 429}}, 429),
        ({"error": {"code": "rate_limit_exceeded", "type": "tokens"}}, 429),
        ({"error": {"code": "unheard_of", "type": "invalid_request_error"}}, 400),
        ({"error": {"status": "RESOURCE_EXHAUSTED"}}, 429),
        ({"error": {"type": "overloaded_error"}}, 529),
        ({"error": {"code": "BadRequestError"}}, 400),
        ({"error": {"message": "x", "metadata": {"error_type": "provider_overloaded"}}}, 503),
        ({"error": "x", "code": 404}, 404),
        ({"object": "error", "code": 400}, 400),
        ([{"error": {"code": 409}}], 409),
        ({"error": {"code": 200}}, 502),
        ({"error": {"code": True, "type": [], "status": {}}}, 502),
        ({"error": "x"}, 502),
        (5, 502),
        (None, 502),
    ],
)
def test_the_status_behind_a_200(report, status):
    assert reported_error("v", report).status == status


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"details": [{"x": 1}, {"retryDelay": "3.2s"}]}, "4"),
        ({"retry_after": 7}, "7"),
        ({"metadata": {"retry_after_seconds": 2.5}}, "3"),
        ({"metadata": {"headers": {"Retry-After": "11"}}}, "11"),
        ({"retry_after": "soon"}, None),
        ({"retry_after": True}, None),
        ({"details": 5, "metadata": 5}, None),
    ],
)
def test_how_long_to_wait(fields, seconds):
    found = reported_error("v", {"error": {"code": 429, **fields}})
    assert found.headers.get("Retry-After") == seconds


def test_a_header_says_best_how_long_to_wait():
    report = {"error": {"code": 429, "retry_after": 7}}
    assert reported_error("v", report, {"retry-after": "9"}).headers == {"Retry-After": "9"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "x"}}, True),
        ({"error": "x"}, True),
        ({"object": "error", "message": "x"}, True),
        ({"type": "error"}, True),
        ({"error": None, "choices": []}, False),
        ({"error": {}, "object": "chat.completion"}, False),
        ({}, False),
    ],
)
def test_whether_it_is_an_error(body, expected):
    assert is_error(body) is expected
