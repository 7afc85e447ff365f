"""The table of errors, and that everything in it is raised, and raised as it is meant to be."""

import ast
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

from tornado_router import error_codes
from tornado_router.error_codes import CODES, ROWS, Failure, Invalid, Refusal
from tornado_router.errors import ApiError, ProviderError, StoppedError, bad_answer

ROOT = Path(__file__).parent.parent
TABLES = {"Failure": Failure, "Invalid": Invalid, "Refusal": Refusal}
SOURCES = [
    path
    for path in [
        *ROOT.glob("tornado_router/**/*.py"),
        *ROOT.glob("plugins/*/tornado_router_*/**/*.py"),
    ]
    if not {"error_codes", "scaffold", "testing"} & set(path.relative_to(ROOT).parts)
]


@cache
def nodes():
    return [(path, node) for path in SOURCES for node in ast.walk(ast.parse(path.read_text()))]


def row_of(node):
    """The row that an expression such as `Refusal.stopped` stands for, or None."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        table = TABLES.get(node.value.id)
        return vars(table).get(node.attr) if table else None
    return None


def calls_of_rows():
    for path, node in nodes():
        if isinstance(node, ast.Call) and (row := row_of(node.func)) is not None:
            yield f"{path.relative_to(ROOT)}:{node.lineno}", row, node


def fields_of(row):
    """The values that the row's text needs."""
    return {name for _, name, _, _ in Formatter().parse(row.text) if name}


def test_an_error_is_raised_with_the_values_that_its_text_needs():
    for place, row, call in calls_of_rows():
        given = {item.arg for item in call.keywords} - {"headers", "type"}
        assert row.text or call.args, f"{place}: {row.code} has no text of its own"
        needed = set() if call.args else fields_of(row)
        assert needed - {"param"} == given - {"param"}, place
        assert "param" in given or row.param or "param" not in needed, place
        assert not ("param" in given and row.param), place


def test_every_row_is_raised_somewhere():
    used = {row for _, node in nodes() if (row := row_of(node)) is not None}
    assert [row.code for row in ROWS if row not in used] == []


def test_the_router_raises_by_the_table_alone():
    """Status and type of an error stand in one place; what plugins raise is theirs."""
    for path, node in nodes():
        if isinstance(node, ast.Call) and "plugins" not in path.relative_to(ROOT).parts:
            name = getattr(node.func, "id", "")
            codes = [item.value for item in node.keywords if item.arg == "code"]
            if name in ("ApiError", "ProviderError") and path.name != "errors.py":
                assert not any(isinstance(code, ast.Constant) for code in codes), path


def test_codes_of_plugins_are_in_the_table():
    for path, node in nodes():
        if isinstance(node, ast.keyword) and node.arg == "code":
            assert not isinstance(node.value, ast.JoinedStr), path
            if isinstance(node.value, ast.Constant) and "plugins" in path.parts:
                assert node.value.value in CODES, path


def test_every_code_is_explained():
    explained = {row.code for row in ROWS if row.meaning}
    assert explained - {None} == CODES


def test_the_name_of_a_row_is_its_code_unless_it_shares_anothers():
    assert Refusal.user_not_found.code == "user_not_found"
    assert Refusal.wrong_password.code == Refusal.invalid_credentials.code == "invalid_credentials"
    assert Refusal.no_api_key.code is None


def test_an_error_has_the_values_of_its_row():
    error = Refusal.user_not_found(id=7)
    assert type(error) is ApiError
    assert (error.status, error.headers) == (404, {})
    assert error.body() == {
        "error": {
            "message": "There is no user 7.",
            "type": "invalid_request_error",
            "param": None,
            "code": "user_not_found",
        }
    }


def test_text_param_type_and_headers_may_depend_on_the_place():
    error = Refusal.rate_limit_exceeded("Slow {down}.", type="tokens", headers={"x-a": "b"})
    assert (error.message, error.type, error.headers) == ("Slow {down}.", "tokens", {"x-a": "b"})
    assert Invalid.invalid_value("Wrong.", param="a.b").param == "a.b"


def test_values_are_not_read_as_templates():
    assert Invalid.target_not_found(target="{model}").message.startswith("x-router-target: '{mod")


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (Refusal.limits_unavailable(), {"Retry-After": "1"}),
        (Refusal.not_cached(), {"x-should-retry": "false"}),
        (Refusal.invalid_token(), {"WWW-Authenticate": "Bearer"}),
    ],
)
def test_headers_follow_from_the_row(error, headers):
    assert error.headers == headers


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_types_follow_from_the_status(row):
    if row in error_codes.rows(Failure):
        assert row.kind is ProviderError
    elif row.status >= 500 and row is not Refusal.not_cached:
        assert row.type == "server_error"


def test_some_errors_have_a_class_of_their_own():
    assert isinstance(Refusal.stopped(), StoppedError)


def test_plugins_raise_a_bad_answer_as_the_router_does():
    theirs, ours = bad_answer("HTML"), Failure.bad_provider_answer("HTML")
    assert type(theirs) is type(ours)
    assert vars(theirs) == vars(ours)
