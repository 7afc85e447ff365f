"""Settings of another gateway, of which none is lost."""

from tornado_router.importing.settings import Settings


def test_what_nobody_asked_for_is_left():
    settings = Settings({"a": 1, "b": "x", "c": True, "d": None}, "here")
    assert settings.take("a", int) == 1
    assert settings.take("b", int) is None  # of another type: it stays
    assert settings.take("c", float) is None
    assert settings.take("none", str) is None
    assert list(settings.left()) == [("here.b", "x"), ("here.c", True), ("here.d", None)]


def test_a_whole_number_is_a_number():
    assert Settings({"a": 1}, "").take("a", float) == 1.0


def test_what_is_no_table():
    assert Settings([1], "here").wrong == ["here"]
    assert Settings(None, "here").wrong == []
    assert list(Settings({"a": 1}, "").left()) == [("a", 1)]
