"""What is said of a text that is not TOML, with its line and without its values."""

import tomllib

import pytest

from tornado_router.config.toml_faults import explain


def explained(text):
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    return explain(caught.value, text)


@pytest.mark.parametrize(
    ("text", "name", "hint"),
    [
        ("[a]\nport = 1\nport = 2\n", "`port = ...`", "stands in the file twice"),
        ("[a]\n[a]\n", "`[a]`", "this table stands in the file twice"),
        ("[a]\nkey = sk-canary\n", "`key = ...`", "text needs quotes"),
        ('[a]\nkey = "canary\n', "`key = ...`", "three quotes"),
        ('[a]\nkey = "\\canary"\n', "`key = ...`", "write it twice"),
        ("[a]\nkey canary\n", "", "write `name = value`"),
    ],
)
def test_the_line_is_named_and_what_would_be_right(text, name, hint):
    fault = explained(text)
    assert fault.where.startswith("line ")
    assert name in fault.message
    assert fault.message.endswith(hint) or hint in fault.message
    assert "canary" not in fault.message


def test_the_end_of_the_file():
    fault = explained('models = ["a"')
    assert (fault.where, fault.message) == (
        "end of document",
        "Unclosed array; a list ends with `]`",
    )
