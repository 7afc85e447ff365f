"""What an operator is told about a wrong table."""

import tomllib

import pytest

from tornado_router.config.check import dotted, faults, meant

SCHEMA = {
    "type": "object",
    "properties": {
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "delay": {"type": "number", "exclusiveMinimum": 0},
        "level": {"type": "string", "enum": ["debug", "info"]},
        "url": {"type": "string", "pattern": "^https?://"},
        "path": {"type": "string", "minLength": 1},
        "on": {"type": "boolean"},
        "alias": {"not": {"enum": ["all", "none"]}},
        "other": {"not": {"type": "null"}},
        "models": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "key": {"type": "string", "writeOnly": True, "pattern": "^sk-", "maxLength": 9},
        "pin": {"enum": ["1234"], "writeOnly": True},
        "more": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": False,
}


def told(table, schema=SCHEMA, path=()):
    return [str(fault) for fault in faults(table, schema, path)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (["server", "port"], "server.port"),
        (["providers", "my-own_1", "x"], "providers.my-own_1.x"),
        (["routes", "gpt-4.1", "targets", 0], 'routes."gpt-4.1".targets[0]'),
        (["routes", "a/b"], 'routes."a/b"'),
        (["routes", ""], 'routes.""'),
        (["a.b"], '"a.b"'),
        ([], ""),
    ],
)
def test_dotted(path, text):
    assert dotted(path) == text


@pytest.mark.parametrize(
    "name", ['say "hi"', "back\\slash", "new\nline", "tab\t", "trailing\n", "\u00e9"]
)
def test_dotted_is_toml_whatever_the_name(name):
    assert tomllib.loads(f"{dotted([name, 'x'])} = 1") == {name: {"x": 1}}


def test_meant():
    assert meant("prot", ["host", "port"]) == "; did you mean 'port'?"
    assert meant("zzz", ["host", "port"]) == ""
    assert meant("x", []) == ""


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"port": "80"}, "port: must be a whole number, not '80'"),
        ({"port": 1.5}, "port: must be a whole number, not 1.5"),
        ({"port": True}, "port: must be a whole number, not True"),
        ({"port": 0}, "port: must be at least 1, not 0"),
        ({"alias": "all"}, "alias: must be none of 'all', 'none'"),
        ({"other": None}, "other: None should not be valid under {'type': 'null'}"),
        ({"port": 65536}, "port: must be at most 65535, not 65536"),
        ({"delay": float("nan")}, "delay: must be a number, not nan"),
        ({"delay": float("inf")}, "delay: must be a number, not inf"),
        ({"delay": 0}, "delay: must be more than 0, not 0"),
        ({"on": "true"}, "on: must be true or false, not 'true'"),
        ({"path": 5}, "path: must be text in quotes, not 5"),
        ({"path": ""}, "path: must not be empty"),
        ({"models": []}, "models: must not be empty"),
        ({"models": "m"}, "models: must be a list, not 'm'"),
        ({"models": ["m", 5]}, "models[1]: must be text in quotes, not 5"),
        ({"more": 5}, "more: must be a table, not 5"),
        ({"more": {"X.Y": 5}}, 'more."X.Y": must be text in quotes, not 5'),
        ({"url": "ftp://x"}, "url: must match ^https?://, not 'ftp://x'"),
        (
            {"level": "inf"},
            "level: must be one of 'debug', 'info', not 'inf'; did you mean 'info'?",
        ),
        ({"level": "loud"}, "level: must be one of 'debug', 'info', not 'loud'"),
        ({"prot": 1}, "prot: unknown key; did you mean 'port'?"),
        ({"zzz": 1}, "zzz: unknown key"),
    ],
)
def test_each_kind_of_fault(table, text):
    assert told(table) == [text]


def test_a_right_table_has_none():
    assert told({"port": 80, "models": ["m"], "key": "sk-1", "more": {"X": "y"}}) == []


def test_every_fault_at_once_with_its_path():
    table = {"port": 0, "nope": 1, "level": "x", "wrong": 2}
    assert sorted(text.split(":")[0] for text in told(table, path=("providers", "p.q"))) == [
        'providers."p.q".level',
        'providers."p.q".nope',
        'providers."p.q".port',
        'providers."p.q".wrong',
    ]


def test_what_is_missing_is_named():
    schema = {"type": "object", "required": ["type", "url"]}
    assert set(told({}, schema, ("providers", "x"))) == {"providers.x: lacks 'type' and 'url'"}


def test_the_whole_file_has_a_name():
    assert told([], SCHEMA)[0].startswith("the file: must be a table")


@pytest.mark.parametrize(
    "table",
    [
        {"key": "hunter2"},
        {"key": ["hunter2"]},
        {"key": "sk-hunter2-hunter2"},
        {"pin": "hunter2"},
        {"port": {"key": "hunter2"}},
        {"models": {"key": "hunter2"}},
    ],
)
def test_a_secret_is_never_quoted(table):
    text = " ".join(told(table))
    assert text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "rule",
    [
        {"anyOf": [{"required": ["url"]}, {"required": ["path"]}]},
        {"not": {"required": ["key"]}},
        {"minProperties": 5},
        {"dependentRequired": {"key": ["url"]}},
        {"type": "array"},
    ],
)
def test_nor_when_the_table_around_it_is_wrong(rule):
    text = " ".join(told({"key": "sk-hunt"}, {**SCHEMA, **rule}))
    assert text
    assert "sk-hunt" not in text
