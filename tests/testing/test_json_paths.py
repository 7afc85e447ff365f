from tornado_router.testing.json_paths import GONE, places, replaced, spoilt, texts, thinned

VALUE = {"a": [1, {"b": "x"}], "c": None}


def test_every_place_is_found():
    assert list(places(VALUE)) == [(), ("a",), ("a", 0), ("a", 1), ("a", 1, "b"), ("c",)]


def test_one_place_is_replaced_in_a_copy():
    assert replaced(VALUE, ("a", 1, "b"), "y") == {"a": [1, {"b": "y"}], "c": None}
    assert replaced(VALUE, ("a", 0), GONE) == {"a": [{"b": "x"}], "c": None}
    assert replaced(VALUE, (), 5) == 5
    assert VALUE == {"a": [1, {"b": "x"}], "c": None}


def test_spoilt_copies_all_differ_from_the_value():
    copies = list(spoilt(VALUE, 1000))
    assert all(other != VALUE for _, other in copies)
    assert ("`a.1.b` is missing", {"a": [1, {}], "c": None}) in copies
    assert ("`c` is 5", {"a": [1, {"b": "x"}], "c": 5}) in copies


def test_thinned_keeps_order_and_the_last():
    assert thinned(range(10), 20) == list(range(10))
    few = thinned(range(1000), 7)
    assert len(few) == 7
    assert few == sorted(few)
    assert few[-1] == 999


def test_texts_are_strings_alone():
    assert list(texts(VALUE)) == [(("a", 1, "b"), "x")]
