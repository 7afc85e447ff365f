"""What is taken out of texts, and what is left."""

import pytest

from tornado_router.redaction import LONGEST_BODY, MAX_SECRET, REDACTED, Redaction, check_patterns

PLAIN = Redaction(())


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
        "sk-tr-6tZ1cX9yQ2wE4rT6yU8iO0pA",
        "sk-ant-api03-abcdefghijklmnop",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AIza" + "a1B2c" * 7,
        "AKIAABCDEFGHIJKLMNOP",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop",
        "Bearer abcdefghijklmnopqrstuvwxyz",
        "sk-" + "x" * (MAX_SECRET - 10),
    ],
)
def test_what_lets_somebody_in_is_known_by_its_form(secret):
    assert PLAIN.text(f"use {secret}, please") == f"use {REDACTED}, please"


@pytest.mark.parametrize("text", ["a task-force", "risk-free for everybody here", "Grüße 東京", ""])
def test_other_text_stays(text):
    assert PLAIN.text(text) == text


def test_patterns_fields_and_secrets_of_the_operator():
    redaction = Redaction(
        [r"\b\d{3}-\d{2}-\d{4}\b"], ["email"], ["a.secret", "a.secret.longer", ""]
    )
    assert redaction.value(
        {
            "messages": [
                {"content": "my number is 123-45-6789"},
                "a.secret.longer, a.secret, axsecret",
            ],
            "metadata": {
                "email": {"of": "ann"},
                "123-45-6789": 7,
                "n": 1.5,
                "no": None,
                "yes": True,
            },
        }
    ) == {
        "messages": [
            {"content": f"my number is {REDACTED}"},
            f"{REDACTED}, {REDACTED}, axsecret",
        ],
        "metadata": {"email": REDACTED, REDACTED: 7, "n": 1.5, "no": None, "yes": True},
    }


def test_media_is_only_measured():
    url = "data:image/png;base64," + "iVBORw0KGgo" * 200
    assert PLAIN.value({"url": url, "text": "word " * 500}) == {
        "url": f"[{len(url)} characters of media]",
        "text": "word " * 500,
    }


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"a": "Bearer abcdefghijklmnopqrst"}', f'{{"a":"{REDACTED}"}}'),
        (b'{"a": "Bearer abcdefghijklmnopqrst', f'{{"a": "{REDACTED}'),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        (b"", ""),
    ],
)
def test_bodies(body, kept):
    assert PLAIN.body(body) == kept


def test_what_is_escaped_in_json_is_found_all_the_same():
    assert PLAIN.body(rb'"\u0073k-abcdefghijklmnopqrst"') == f'"{REDACTED}"'


def test_a_long_text_is_cut_and_ends_before_what_may_be_half_a_secret():
    redaction = Redaction((), longest=1000)
    secret = "sk-" + "x" * 40
    text = redaction.text("word " * 195 + secret + " more" * 500)
    assert text == ("word " * 195)[: len(text)]
    assert len(text) > 700


def test_a_very_long_body_is_not_parsed():
    body = b'{"a": "Bearer abcdefghijklmnopqrst", "b": "' + b"x " * LONGEST_BODY
    text = Redaction((), longest=1000).body(body)
    assert text.startswith(f'{{"a": "{REDACTED}", "b": "x x')
    assert len(text) < 1000


def test_patterns_that_are_none():
    (fault,) = check_patterns(["ok", "(", "[a-z]+"])
    assert fault.where == "request_log.redact[1]"
    assert "is no regular expression" in fault.message
