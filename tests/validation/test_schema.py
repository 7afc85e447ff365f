import pytest

from tornado_router.validation import PROFILES, load_schema
from tornado_router.validation.schema import rewrite


def properties(name, profile):
    return load_schema(name, profile)["properties"]


def test_openai_is_the_file_as_it_is():
    effort = properties("chat.completions.request", "openai")["reasoning_effort"]
    assert "medium" in effort["enum"]


@pytest.mark.parametrize("profile", ["standard", "open"])
def test_other_profiles_take_new_values_of_the_same_type(profile):
    effort = properties("chat.completions.request", profile)["reasoning_effort"]
    assert effort == {"type": ["string", "null"]}


def test_conditions_keep_their_values_in_every_profile():
    for profile in PROFILES:
        items = properties("chat.completions.request", profile)["messages"]["items"]
        assert items["allOf"][0]["if"]["properties"]["role"] == {"const": "developer"}


def test_roles_are_closed_in_all_but_open():
    def is_closed(profile):
        items = properties("chat.completions.request", profile)["messages"]["items"]
        return "enum" in items["properties"]["role"]

    assert [is_closed(profile) for profile in ("openai", "standard", "open")] == [True, True, False]


def test_standard_drops_caps_and_keeps_ranges():
    standard = properties("chat.completions.request", "standard")
    assert standard["stop"]["minItems"] == 1
    assert "maxItems" not in standard["stop"]
    assert standard["temperature"]["maximum"] == 2
    assert not {"maxProperties", "propertyNames"} & standard["metadata"].keys()


def test_open_drops_upper_bounds_and_keeps_lower():
    temperature = properties("chat.completions.request", "open")["temperature"]
    assert temperature == {"type": ["number", "null"], "minimum": 0}


def test_a_property_may_be_called_like_a_keyword():
    # `schema` of a response format and `type` of everything are names here, not keywords.
    for profile in PROFILES:
        definitions = load_schema("chat.completions.request", profile)["$defs"]
        assert definitions["JSONSchema"]["properties"]["schema"] == {"type": ["object", "null"]}


def test_lists_of_other_things_than_strings_stay():
    schema = {"enum": [1, 2]}
    assert rewrite(schema, dict) == schema
    deleted = properties("models.deleted", "standard")
    assert deleted["deleted"] == {"type": "boolean"}


def test_an_unknown_schema_is_an_error():
    with pytest.raises(FileNotFoundError):
        load_schema("chat.completions.nonsense")


def test_no_bound_on_tokens_is_a_word_of_servers_and_not_of_openai():
    field = properties("chat.completions.request", "openai")["max_tokens"]
    assert field["minimum"] == 1
    for profile in ("standard", "open"):
        field = properties("chat.completions.request", profile)["max_tokens"]
        assert field == {
            "type": ["integer", "null"],
            "if": {"type": "integer", "not": {"const": -1}},
            "then": {"type": ["integer", "null"], "minimum": 1},
        }
