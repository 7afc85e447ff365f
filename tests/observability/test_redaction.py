"""What is taken out of texts, and what is left."""

import json
import re
import string
import time

import pytest

from tornado_router.observability import redaction as module
from tornado_router.observability.redaction import (
    BYTES_PER_CHARACTER,
    MAX_SECRET,
    REDACTED,
    SECRETS,
    Redaction,
    check_patterns,
    holds_secret,
    printable_name,
    redact_forms,
)

PLAIN = Redaction(())
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop"
PEM = """-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED

MIIEpAIBAAKCAQEA+/x
-----END RSA PRIVATE KEY-----"""
ALPHABET = string.ascii_letters + string.digits


def made_up(count):
    return (ALPHABET * 3)[:count]


FORMS = [
    "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
    "sk-tr-6tZ1cX9yQ2wE4rT6yU8iO0pA",
    "sk-ant-api03-abcdefghijklmnop",
    *("sk_live_" + made_up(24), "rk_test_" + made_up(24), "whsec_" + made_up(32)),
    *("xai-" + made_up(80), "gsk_" + made_up(52), "hf_" + made_up(34), "r8_" + made_up(37)),
    *("csk-" + made_up(48), "tgp_v1_" + made_up(40), "fw_" + made_up(22), "pplx-" + made_up(48)),
    *("nvapi-" + made_up(64), "dapi" + "0123456789abcdef" * 2, "SG." + made_up(22) + ".a_b-c"),
    *(f"gh{kind}_" + made_up(36) for kind in "opsur"),
    *("github_pat_" + made_up(60), "glpat-" + made_up(20), "npm_" + made_up(36)),
    *("xoxb-123456789012-" + made_up(24), "xoxe-1-" + made_up(20), "xapp-1-" + made_up(60)),
    *("AIza" + "a1B2c" * 7, "ya29.a0Af_" + made_up(100), "AKIAABCDEFGHIJKLMNOP"),
    *(JWT, JWT[:-17], JWT + "x" * 900),
    *("AQ." + made_up(50), "ABSK" + made_up(100), "bedrock-api-key-" + made_up(90)),
    *(made_up(52) + "JQQJ99" + made_up(26), "0123456789abcdef" * 2 + "." + made_up(16)),
    *("sk_" + made_up(48), "pa-" + made_up(43), "al-" + made_up(43), "jina_" + made_up(60)),
    *("vck_" + made_up(56), "tvly-dev-" + made_up(32)),
    *("Wz" + made_up(24) + "." + made_up(43), "Wz" + made_up(40) + "." + "-_x" * 14 + "y"),
    *("Bearer abcdefghijklmnopqrstuvwxyz", "bearer " + "x" * 900),
    *("sk-" + "x" * (MAX_SECRET - 10), "sk-" + "x" * 900),
    *(
        PEM,
        PEM.replace("RSA ", ""),
        PEM[:60],
        PEM.replace("KEY-", "KEY BLOCK-").replace("RSA", "PGP"),
    ),
]


@pytest.mark.parametrize("secret", FORMS)
def test_what_lets_somebody_in_is_known_by_its_form(secret):
    if secret == PEM[:60]:
        assert PLAIN.text(f"use {secret}") == f"use {REDACTED}"
        return
    assert PLAIN.text(f"use {secret}, please") == f"use {REDACTED}, please"
    assert holds_secret(f"use {secret}, please")


@pytest.mark.parametrize("before", ["密钥", "ключ", "für:", "é", "KEY_", "=", "-", '"', "/"])
@pytest.mark.parametrize("after", ["是密钥", "ö", " ", "!", '"'])
def test_whatever_stands_beside_it(before, after):
    for secret in (*FORMS[:9], "AIza" + made_up(35), "AKIAABCDEFGHIJKLMNOP"):
        assert PLAIN.text(before + secret + after) == before + REDACTED + after


def test_a_token_behind_a_word_keeps_its_public_part_only():
    assert PLAIN.text(f"token_{JWT}") == f"token_eyJhbGciOiJIUzI1NiJ9{REDACTED}"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("postgresql://me:p%40ss@db/x", f"postgresql://{REDACTED}@db/x"),
        ("see redis://:pass@h:1/0, https://a@b", f"see redis://{REDACTED}@h:1/0, https://a@b"),
        ("https://h:8080/a:b@c", "https://h:8080/a:b@c"),
        (
            f"https://s3/x?X-Amz-Signature={'0a' * 32}&X-Amz-Date=1",
            f"https://s3/x?{REDACTED}&X-Amz-Date=1",
        ),
    ],
)
def test_urls(text, left):
    assert PLAIN.text(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "a task-force",
        "risk-free for everybody here",
        "Grüße 東京",
        "",
        "pk_column_of_the_table_of_users",
        "hf-mistral-7b-instruct-v0.2",
        "they call it desk-top-publishing-software",
        "-----BEGIN CERTIFICATE-----",
        "3f0c1a52-94b4-4a53-9d5b-1f7e0c7b5d11",
        "one.eyewitness.another-one-of-them",
    ],
)
def test_other_text_stays(text):
    assert PLAIN.text(text) == text
    assert not holds_secret(text)
    assert printable_name(text) == redact_forms(text) == text


def test_names_that_hold_a_secret():
    assert printable_name(f"m/{FORMS[0]}") == REDACTED
    assert printable_name("x" * 10**6) == "x" * module.MAX_SHOWN_NAME


def test_names_that_could_forge_a_line_of_the_log():
    assert printable_name("m\nERROR \x1b[31mfake") == "m ERROR  [31mfake"
    assert redact_forms(f"/v1/models/{FORMS[0]}") == f"/v1/models/{REDACTED}"


PIECES = [
    *(
        "ey-",
        "ey.",
        "eyJ",
        "ey" + "A" * 10 + ".",
        "eyJaaaaaaaaaa.",
        ".eyJ",
        "A",
        "a-",
        "a_",
        "AAAA",
    ),
    *("sk-", "sk-a ", "bearer ", "bearer" + " " * 50, "SG.", "SG.aaaaaaaaaaaaaaaa", "://", "://:"),
    *("://a:", "a:", "a@", "://a:b", "-----BEGIN A ", "-----BEGIN PRIVATE KEY-----", "-", "A "),
    *("X-Amz-Signature=", "data:", "data:a;a", "data:,", "data:;a=a", ";a", "a/", "AKIA", "ya29."),
]


@pytest.mark.parametrize("piece", PIECES)
def test_no_rule_takes_more_than_linear_time(piece):
    """Four times the text may take some four times as long; the square would be sixteen."""
    rules = [*module._FORMS, module._MEDIA[str]]

    def seconds(rule, count):
        text = "!" + piece * (count // len(piece)) + "!"
        took = []
        for _ in range(5):
            begun = time.thread_time()
            rule.sub("", text)
            took.append(time.thread_time() - begun)
        return min(took)

    for rule in rules:
        short, long = seconds(rule, 20_000), seconds(rule, 80_000)
        assert long < 10 * short + 0.005, rule.pattern


def test_every_rule_looks_at_ascii_alone():
    for rule in SECRETS:
        assert not re.search(r"\\[bBwW]", rule)


def test_work_ends_once_there_is_enough():
    """A rule that is asked for every text: it is not asked of those that nobody wants."""
    looked = []

    class Counting:
        def sub(self, _, text):
            looked.append(len(text))
            return text

    redaction = Redaction(["x"], longest=1000)
    redaction._own = [Counting()]
    redaction.value([["word " * 10] * 10] * 10_000)
    assert sum(looked) < 1000 + 100 * (50 + MAX_SECRET)
    looked.clear()
    redaction.text("word " * 100_000)
    assert sum(looked) <= 1000 + MAX_SECRET
    assert redaction.value([[]] * 10_000) == [[]] * 999


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


def test_numbers_are_matched_as_texts_are():
    redaction = Redaction([r"^\d{9}$", r"\.5$"], ["pin"], ["4711471147114711"])
    value = {"ssn": 123456789, "n": 12, "x": 1.5, "s": 4711471147114711, "pin": 1, "t": True}
    assert redaction.value(value) == {
        **dict.fromkeys(value, REDACTED),
        **{"n": 12, "t": True},
    }
    assert PLAIN.value(value) == value


def test_json_in_a_string_is_redacted_as_json():
    redaction = Redaction([r"^secret$"], ["email"])
    inner = {"email": "ann", "note": "secret", "deep": json.dumps({"email": "bob", "n": 1})}
    call = {"function": {"name": "f", "arguments": json.dumps(inner)}}
    (arguments,) = [redaction.value(call)["function"]["arguments"]]
    told = json.loads(arguments)
    assert json.loads(told.pop("deep")) == {"email": REDACTED, "n": 1}
    assert told == {"email": REDACTED, "note": REDACTED}
    assert redaction.value(json.dumps(inner)[:12]) == f'{{"email":"{REDACTED}"}}'
    for text in ("[12] Smith et al.", "{not json}", "[", "{'a': 1}", "[see below"):
        assert redaction.value(text) in (text, "[]")


def test_media_is_only_measured():
    base64 = "iVBORw0KGgo/" * 200
    url = f"data:image/png;base64,{base64}"
    note = f"[{len(url)} characters of media]"
    assert PLAIN.value({"url": url, "text": "word " * 500, "bare": base64 + "=="}) == {
        "url": note,
        "text": "word " * 500,
        "bare": f"[{len(base64) + 2} characters of media]",
    }
    assert PLAIN.text(f"see ![a]({url}) and 図{base64}!") == (
        f"see ![a]({note}) and 図[{len(base64)} characters of media]!"
    )
    short = "data:image/png;base64," + "iVBORw0KGgo" * 20
    assert PLAIN.text(short) == short


@pytest.mark.parametrize("room", [1000, 1200, 5000])
def test_what_is_behind_large_media_is_kept(room):
    image = "data:image/png;base64," + "iVBORw0KGgo" * 500_000
    content = [{"type": "text", "text": "one"}, {"url": image}, {"type": "text", "text": "two"}]
    redaction = Redaction((), longest=room)
    assert json.loads(redaction.body(json.dumps(content).encode())) == [
        content[0],
        {"url": f"[{len(image)} characters of media]"},
        content[2],
    ]


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"a": "Bearer abcdefghijklmnopqrst"}', f'{{"a":"{REDACTED}"}}'),
        (b'{"a": "Bearer abcdefghijklmnopqrst', f'{{"a":"{REDACTED}"}}'),
        (b"\xff", "[1 bytes that are not JSON]"),
        (b"", "[0 bytes that are not JSON]"),
        (b"<html>my@address</html>", "[23 bytes that are not JSON]"),
        (b'{"n": 123456789012345678901234567890}', '{"n":123456789012345678901234567890}'),
    ],
)
def test_bodies(body, kept):
    assert PLAIN.body(body) == kept


def test_what_is_escaped_in_json_is_found_all_the_same():
    assert PLAIN.body(rb'"\u0073k-abcdefghijklmnopqrst"') == f'"{REDACTED}"'


@pytest.mark.parametrize("lost", [1, 10, 100, 300])
def test_a_body_that_was_cut_is_redacted_as_json_and_ends_before_half_a_secret(lost):
    redaction = Redaction((), ["email"], ["the secret of the configuration" * 10])
    text = "y" * 700 + "the secret of the configuration" * 10
    body = json.dumps({"email": "ann", "a": ["b", text]}).encode()[: -3 - lost]
    told = json.loads(redaction.body(body, whole=False))
    assert told["email"] == REDACTED
    left = told["a"][1]
    assert left == "y" * len(left)
    assert len(left) > 300


def test_a_number_that_was_cut_is_dropped():
    assert PLAIN.body(b'{"a": 1, "ssn": 12345', whole=False) == '{"a":1,"ssn":null}'


def test_a_long_text_is_cut_and_ends_before_what_may_be_half_a_secret():
    redaction = Redaction((), longest=1000)
    secret = "sk-" + "x" * 40
    text = redaction.text("word " * 245 + secret + " more" * 500)
    assert text == ("word " * 245)[: len(text)]
    assert len(text) > 700


def test_of_a_very_long_body_the_start_is_read():
    redaction = Redaction((), ["email"], longest=1000)
    body = b'{"email": "ann", "b": "' + b"x " * 1000 * BYTES_PER_CHARACTER
    text = redaction.body(body)
    assert text.startswith(f'{{"email":"{REDACTED}","b":"x x')
    assert 700 < len(text) < 1100


def test_patterns_that_are_none():
    (fault,) = check_patterns(["ok", "(", "[a-z]+"])
    assert fault.where == "request_log.redact[1]"
    assert "is not a regular expression" in fault.message
