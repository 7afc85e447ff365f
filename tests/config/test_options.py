"""The declarations of options: each has help, and the schema says what the dataclass does."""

from dataclasses import fields

import jsonschema
import pytest

from tornado_router.config import options
from tornado_router.config.declaration import table_schema
from tornado_router.config.options import NAMED_SECTIONS, SECTIONS, file_schema
from tornado_router.plugins.registry import load_plugins

ALL = {**SECTIONS, **NAMED_SECTIONS}
OPTIONS = [
    (f"{name}.{option}", schema)
    for name, section in ALL.items()
    for option, schema in table_schema(section)["properties"].items()
]


@pytest.mark.parametrize(("name", "schema"), OPTIONS, ids=[name for name, _ in OPTIONS])
def test_every_option_has_help(name, schema):
    assert len(schema["description"]) > 8
    assert schema["description"].endswith(".")


@pytest.mark.parametrize(("name", "schema"), OPTIONS, ids=[name for name, _ in OPTIONS])
def test_every_default_is_valid(name, schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    if "default" in schema:
        jsonschema.Draft202012Validator(schema).validate(schema["default"])


@pytest.mark.parametrize("name", ALL)
def test_every_section_says_what_it_is(name):
    assert ALL[name].__doc__.startswith(f"`[{name}")


@pytest.mark.parametrize("name", SECTIONS)
def test_the_schema_has_the_defaults_of_the_dataclass(name):
    made = SECTIONS[name]()
    schema = table_schema(SECTIONS[name])
    defaults = {item.name: getattr(made, item.name) for item in fields(made)}
    as_json = {key: list(it) if isinstance(it, tuple) else it for key, it in defaults.items()}
    assert as_json == {
        option: schema["properties"][option].get("default") for option in schema["properties"]
    }
    assert schema["required"] == []


def test_what_has_no_default_is_required():
    assert table_schema(options.ProviderOptions)["required"] == ["type"]
    assert table_schema(options.RouteOptions)["required"] == ["targets"]


def test_every_dataclass_of_options_is_a_section():
    declared = {
        kind
        for name, kind in vars(options).items()
        if name.endswith("Options") and isinstance(kind, type)
    }
    assert declared == set(ALL.values())


def test_the_file_is_closed_but_for_what_plugins_declare():
    schema = file_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    properties = schema["properties"]
    assert set(properties) == set(ALL)
    assert schema["additionalProperties"] is False
    assert all(properties[name]["additionalProperties"] is False for name in SECTIONS)
    assert properties["routes"]["additionalProperties"]["additionalProperties"] is False
    assert "additionalProperties" not in properties["providers"]["additionalProperties"]


@pytest.mark.parametrize("name", ["redis.password", "auth.jwt_secret"])
def test_secrets_are_marked(name):
    assert dict(OPTIONS)[name]["writeOnly"] is True


def test_every_option_of_the_installed_plugins_has_help():
    types = load_plugins().types
    assert {"echo", "openai"} <= set(types)
    for kind in types.values():
        jsonschema.Draft202012Validator.check_schema(dict(kind.options_schema))
        for schema in kind.options_schema["properties"].values():
            assert schema["description"].endswith(".")
