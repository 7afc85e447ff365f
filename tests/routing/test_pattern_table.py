import pytest

from tornado_router.routing.pattern_table import PatternTable, by_precedence, is_pattern


@pytest.mark.parametrize("name", ["*", "gpt-*", "gpt-?", "gpt-[45]"])
def test_patterns(name):
    assert is_pattern(name)


@pytest.mark.parametrize("name", ["gpt-4.1", "openai/gpt-4.1", "", "a]b"])
def test_names(name):
    assert not is_pattern(name)


def test_names_go_before_patterns_and_longer_ones_before_shorter_ones():
    names = ["*", "gpt-4.1-*", "a", "gpt-?", "gpt-*", "gpt-4.1"]
    assert by_precedence(names) == ["gpt-4.1", "a", "gpt-4.1-*", "gpt-?", "gpt-*", "*"]


def test_the_first_that_matches_is_found():
    table = PatternTable({"*": 1, "a/*": 2, "a/b": 3})
    assert table.find("a/b") == 3
    assert table.find("a/c") == 2
    assert table.find("b/c") == 1


def test_any_of_the_names_may_match():
    table = PatternTable({"a/*": 1, "model": 2})
    assert table.find("b/model", "model") == 2
    assert table.find("a/model", "model") == 2, "a name goes before a pattern"
    assert table.find("a/other", "other") == 1
    assert table.find("b/other", "other") is None


def test_case_matters():
    assert PatternTable({"GPT-*": 1}).find("gpt-4") is None


def test_an_empty_table_is_false():
    assert not PatternTable({})
    assert PatternTable({"a": 0})
