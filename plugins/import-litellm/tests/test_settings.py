"""Settings of another gateway, of which none is lost."""

import pytest

from tornado_router_import_litellm.settings import Settings


def test_what_nobody_read_is_left():
    settings = Settings({"a": 1, "b": "x", "c": True, "d": None}, "here")
    assert settings.take("a", int) == 1
    assert settings.take("b", int) is None  # of another type: it stays
    assert settings.take("c", int) is None
    assert settings.take("none", str) is None
    assert settings.get("b") == "x"
    assert list(settings.left()) == ["here.b", "here.c", "here.d"]


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1.0), ("1e-6", 1e-6), ("7", 7.0), (0, 0.0), (-1, None), ("x", None), (True, None),
     (float("nan"), None), (float("inf"), None), (10**400, None), (None, None), ([], None)],
)  # fmt: skip
def test_numbers(value, number):
    settings = Settings({"a": value}, "")
    assert settings.number("a", 0) == number
    assert list(settings.left()) == ([] if number is not None else ["a"])


def test_what_is_no_table():
    assert Settings([1], "here").wrong == ["here"]
    assert Settings(None, "here").wrong == []
    assert list(Settings({"a": 1}, "").left()) == ["a"]
