import pytest
from hypothesis import given, settings

from tornado_router.validation import PROFILES, load_schema
from tornado_router.validation.engine import RustEngine, Violation

from ..request_corpus import BAD, GOOD
from .json_values import json_values, mutated
from .second_opinion import SecondOpinion

CHAT = "chat.completions.request"
ENGINES = {
    (name, profile): (
        RustEngine(load_schema(name, profile)),
        SecondOpinion(load_schema(name, profile)),
    )
    for name in GOOD
    for profile in PROFILES
}


def assert_agreed(name, profile, body):
    """Both decide the same, and what the first complains of is on the second's list."""
    engine, second = ENGINES[name, profile]
    assert engine.is_valid(body) == second.is_valid(body)
    violation = engine.first_violation(body)
    assert (violation is None) == second.is_valid(body)
    if violation is not None:
        assert place(violation) in [place(found) for found in second.violations(body)]


def place(violation):
    return violation.path, violation.keyword


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("name", "label"), [(name, label) for name, bodies in GOOD.items() for label in bodies]
)
def test_engines_agree_on_good_bodies(name, label, profile):
    assert_agreed(name, profile, GOOD[name][label])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("body", [case[2] for case in BAD], ids=[case[0] for case in BAD])
def test_engines_agree_on_bad_bodies(body, profile):
    assert_agreed(CHAT, profile, body)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", GOOD)
def test_engines_agree_on_mutated_bodies(name, profile):
    @given(mutated([*GOOD[name].values()]))
    @settings(deadline=None)
    def check(body):
        assert_agreed(name, profile, body)

    check()


@given(json_values)
@settings(deadline=None)
def test_engines_agree_on_any_json(body):
    assert_agreed(CHAT, "openai", body)
    assert_agreed(CHAT, "openai", {"model": body, "messages": body, "tools": [body]})


def test_first_violation_names_place_keyword_and_value():
    engine, _ = ENGINES[CHAT, "standard"]
    body = {"model": "m", "messages": [{"role": "wizard", "content": "x"}]}
    violation = engine.first_violation(body)
    assert violation.path == ("messages", 0, "role")
    assert violation.keyword == "enum"
    assert "assistant" in violation.schema["enum"]
    assert violation.instance == "wizard"


def test_a_missing_property_is_part_of_the_path():
    engine = RustEngine({"type": "object", "required": ["a"]})
    assert engine.first_violation({}) == Violation(
        ("a",), "required", {"type": "object", "required": ["a"]}, {}
    )


@pytest.mark.parametrize("unknown", ["b", "", "7", "a/b"])
def test_a_property_that_may_not_be_there_is_part_of_the_path(unknown):
    schema = {"properties": {"a": {}}, "additionalProperties": False}
    body = {"list": [{"a": 1}, {"a": 1, unknown: 2}]}
    outer = {"properties": {"list": {"items": schema}}}
    violation = RustEngine(outer).first_violation(body)
    assert violation == Violation(("list", 1, unknown), "additionalProperties", schema, 2)
    assert list(SecondOpinion(outer).violations(body)) == [violation]


@pytest.mark.parametrize(
    "keys",
    [
        *(("50",), ("0",), ("007",), ("+5",), ("-1",), ("1e3",), ("9" * 30,), ("١",)),
        *(("",), ("", ""), ("", "x"), ("x", ""), ("x", "", "y"), ("", "", "0", "")),
        *(("a/b~c",), ("~0~1", "/"), ("é",), ("a.b",), ("a[0]",)),
    ],
    ids=repr,
)
def test_odd_keys_are_found_in_the_body(keys):
    schema, body, sibling = {"type": "string"}, 1, "x"
    for key in reversed(keys):
        schema = {"additionalProperties": schema}
        body, sibling = {"other": sibling, key: body}, {}
    violation = RustEngine(schema).first_violation(body)
    assert violation.path == keys
    assert violation.instance == 1


def test_one_of_two_keys_that_are_reported_alike():
    engine = RustEngine({"additionalProperties": {"type": "string"}})
    assert engine.first_violation({"7": "x", "007": 1}).path == ("007",)
    assert engine.first_violation({"7": 1, "007": "x"}).path == ("7",)


def test_a_property_name_is_reported_for_its_object():
    engine = RustEngine({"properties": {"a": {"propertyNames": {"maxLength": 1}}}})
    violation = engine.first_violation({"a": {"long": 1}})
    assert place(violation) == (("a",), "propertyNames")
    assert violation.schema == {"propertyNames": {"maxLength": 1}}
