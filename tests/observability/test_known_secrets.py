"""The secrets of router.toml in texts that are logged or recorded."""

import io

import pytest

from tornado_router.observability.known_secrets import HidingStream, KnownSecrets

KEY = "3f" * 24


@pytest.mark.parametrize("text", [KEY, f"a{KEY}b", 'say \\"three\\" words', "with%20a%20space"])
def test_they_are_found_as_they_are_and_as_json_and_urls_have_them(text):
    secrets = KnownSecrets([KEY, 'say "three" words', "with a space"])
    assert secrets.holds(text)
    assert "[redacted]" in secrets.hide(text)
    assert not secrets.holds(secrets.hide(text))


def test_all_else_stays():
    secrets = KnownSecrets([KEY, "", "word"])
    assert secrets.hide("a word, and " + KEY[:-1]) == "a word, and " + KEY[:-1]
    assert not secrets.holds("word")


@pytest.mark.parametrize(
    ("secret", "text", "left"),
    [
        ("s3cr3t", '{"a":"s3cr3t"} s3cr3t!', '{"a":"[redacted]"} [redacted]!'),
        ("s3cr3t", "s3cr3ts 1s3cr3t", "s3cr3ts 1s3cr3t"),  # else much could not be read
        ("p-4", "p-4", "p-4"),
        ("a/b4", "a%2Fb4 a/b4", "[redacted] [redacted]"),
        ("null", '{"code":null}', '{"code":null}'),
        ("12.5", '{"ms":12.5}', '{"ms":12.5}'),
        ("word5678", "swords word56789", "swords [redacted]9"),
    ],
)
def test_short_ones_are_hidden_where_they_stand_alone_and_are_no_words(secret, text, left):
    secrets = KnownSecrets([secret])
    assert secrets.hide(text) == left
    assert secrets.holds(text) == (left != text)


def test_those_of_before_are_known_on():
    secrets = KnownSecrets([KEY])
    secrets.add(["another one"])
    assert secrets.hide(f"{KEY} another one") == "[redacted] [redacted]"


def test_a_secret_within_another_leaves_none_of_it():
    assert KnownSecrets(["12345678", "x12345678x"]).hide("x12345678x") == "[redacted]"


def test_a_stream_is_written_without_them():
    stream = io.StringIO()
    hiding = HidingStream(stream, KnownSecrets([KEY]))
    hiding.write(f"line {KEY}\n")
    hiding.flush()
    assert (stream.getvalue(), hiding.isatty()) == ("line [redacted]\n", False)
