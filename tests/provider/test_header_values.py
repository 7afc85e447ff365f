"""Keys and headers as operators write them."""

import pytest

from tornado_router.provider import OptionError, header_value, header_values
from tornado_router.provider.header_values import trimmed

ENDS = ["\n", "\r\n", " ", "\t", "\ufeff", "\u200b", "\x00", "\x7f", "\xa0", " \n\ufeff "]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("key", [True, False])
def test_what_is_not_seen_at_the_ends_goes(end, key):
    assert header_value("api_key", f"{end}sk-1{end}", key=key) == "sk-1"
    assert trimmed({"X": f"a{end}", "Y": 5}) == {"X": "a", "Y": 5}


@pytest.mark.parametrize("inside", ["\n", "\r", "\x00", "\x1b", "\x7f", "\ufeff"])
@pytest.mark.parametrize("key", [True, False])
def test_inside_it_is_a_fault_that_shows_nothing_of_the_secret(inside, key):
    with pytest.raises(OptionError, match=f"holds U[+]{ord(inside):04X}") as caught:
        header_value("api_key", f"hunter{inside}two", key=key)
    assert caught.value.option == "api_key"
    assert "hunter" not in caught.value.message


@pytest.mark.parametrize("inside", [" ", "\t", "é", "\u200b"])
def test_a_key_has_no_blanks_and_plain_letters(inside):
    with pytest.raises(OptionError):
        header_value("api_key", f"sk{inside}1", key=True)
    assert header_value("headers", f"sk{inside}1") == f"sk{inside}1"


def test_a_table_of_headers():
    assert header_values("headers", {"X-A": " a b\n"}) == {"X-A": "a b"}
    with pytest.raises(OptionError, match="'X-A' holds") as caught:
        header_values("headers", {"X-A": "a\nb"})
    assert caught.value.option == "headers"


@pytest.mark.parametrize("name", ["", " X", "X ", "X:", "X:Y", "é", "X\n", "X\tY"])
def test_a_name_that_is_none(name):
    with pytest.raises(OptionError, match="name"):
        header_values("headers", {name: "x"})


def test_a_name_may_hold_a_blank_as_some_vendors_do():
    assert header_values("headers", {"AI-Resource Group": "x"}) == {"AI-Resource Group": "x"}
