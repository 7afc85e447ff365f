"""The generated files of `schemas/`; `tox -e schemas` checks that they are as generated."""

import hashlib
from importlib import resources

import jsonschema_rs
import orjson
import pytest
from hypothesis import given

from tornado_router.validation import PROFILES, load_schema
from tornado_router.validation.engine import RustEngine

from .request_corpus import GOOD
from .validation.json_values import mutated

FOLDER = resources.files("tornado_router.schemas")
MANIFEST = orjson.loads(FOLDER.joinpath("manifest.json").read_bytes())
NAMES = sorted(name.removesuffix(".json") for name in MANIFEST["sha256"])


def nodes(value):
    """Every object and list of a document."""
    if isinstance(value, dict | list):
        yield value
        for entry in value.values() if isinstance(value, dict) else value:
            yield from nodes(entry)


def test_manifest_names_its_sources():
    assert MANIFEST["sources"].keys() == {"openai", "anthropic"}


def test_manifest_lists_every_file():
    files = {file.name for file in FOLDER.iterdir() if file.name.endswith(".json")}
    assert files == {*MANIFEST["sha256"], "manifest.json"}


@pytest.mark.parametrize("name", NAMES)
def test_digest_is_that_of_the_file(name):
    raw = FOLDER.joinpath(f"{name}.json").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == MANIFEST["sha256"][f"{name}.json"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", NAMES)
def test_is_a_json_schema(name, profile):
    schema = load_schema(name, profile)
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["type"] == "object"


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_is_to_a_definition_and_every_definition_is_used(name):
    schema = load_schema(name, "openai")
    references = {
        node["$ref"]
        for node in nodes(schema)
        if isinstance(node, dict) and isinstance(node.get("$ref"), str)
    }
    assert references == {f"#/$defs/{key}" for key in schema.get("$defs", {})}


@pytest.mark.parametrize("name", NAMES)
def test_has_no_prose(name):
    for node in nodes(load_schema(name, "openai")):
        if isinstance(node, dict):
            for keyword in ("description", "title", "default"):
                # As a property of the API such a name holds a schema, not a text.
                assert not isinstance(node.get(keyword), str)


@pytest.mark.parametrize("name", NAMES)
def test_says_which_alternative_is_meant_before_it_refuses(name):
    # Conditions may hold `anyOf`: they refuse nothing.
    def check(schema):
        for key, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
            assert key not in ("anyOf", "oneOf")
            if key != "if" and isinstance(value, dict | list):
                check(value)

    check(load_schema(name, "openai"))


@pytest.mark.parametrize(
    "name", ["chat.completions.request", "messages.request", "responses.request"]
)
def test_a_looser_profile_takes_no_less(name):
    engines = [RustEngine(load_schema(name, profile)) for profile in PROFILES]

    @given(mutated([*GOOD[name].values()]))
    def check(body):
        taken = [engine.is_valid(body) for engine in engines]
        assert taken == sorted(taken)

    check()
