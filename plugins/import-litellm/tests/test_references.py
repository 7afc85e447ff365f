"""No secret of another gateway's file is copied, and none becomes somebody else's variable."""

import pytest

from tornado_router_import_litellm.references import References, plain, shout


@pytest.fixture
def notes():
    return []


@pytest.fixture
def references(notes):
    config = {"a": [{"key": "env:TAKEN_KEY"}], "b": "text"}
    return References(config, "env:", {"OPENAI_API_KEY"}, lambda *note: notes.append(note))


def test_a_reference_stays_one(references, notes):
    assert references.value("env:NAME", "here") == "${NAME}"
    assert references.secret("env:NAME", "mine", "here") == "${NAME}"
    assert references.reference("NAME", "here") is None
    assert notes == []


def test_a_name_that_no_variable_here_can_have(references, notes):
    assert references.value("env:my-name", "here") == "${MY_NAME}"
    assert [where for where, _ in notes] == ["here"]


def test_a_secret_becomes_a_variable_of_its_own(references, notes):
    assert references.secret("s1", "openai API_KEY", "one") == "${OPENAI_API_KEY_2}"
    assert references.secret("s2", "taken KEY", "two") == "${TAKEN_KEY_2}"
    assert references.secret("s3", "taken KEY", "three") == "${TAKEN_KEY_3}"
    assert references.secret("s2", "other KEY", "four") == "${TAKEN_KEY_2}"  # the same secret
    assert [where for where, _ in notes] == ["one", "two", "three", "four"]
    assert "set the variable TAKEN_KEY_2 to it" in notes[3][1]


def test_a_dollar_is_a_dollar(references):
    assert references.value("a$b", "here") == plain("a$b") == "a$$b"


@pytest.mark.parametrize(
    ("name", "shouted"),
    [("gpt-4.1", "GPT_4_1"), ("4o API_KEY", "MODEL_4O_API_KEY"), ("* API_KEY", "API_KEY")],
)
def test_names_of_variables(name, shouted):
    assert shout(name) == shouted
