"""Texts with halves of characters and NULs in them."""

from tornado_router.observability.text import storable_text, valid_text, valid_texts


def test_a_valid_text_stays_as_it_is():
    assert valid_text("naïve 😀\0") == "naïve 😀\0"


def test_half_a_character_becomes_a_question_mark():
    assert valid_text("odd \ud83d!") == "odd ?!"


def test_databases_get_no_nul():
    assert storable_text("a\0b\ud800") == "ab?"


def test_texts_inside_of_others():
    assert valid_texts(("a\ud800", ["b\udfff", 5, None])) == ("a?", ("b?", 5, None))
