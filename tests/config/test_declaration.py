"""How long a duration is."""

import re
from dataclasses import make_dataclass

import pytest

from tornado_router.config.declaration import DURATION, duration_seconds, option


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("90", 90), ("90s", 90), ("5m", 300), ("24h", 86_400), ("7d", 604_800)],
)
def test_durations(text, expected):
    assert re.fullmatch(DURATION, text)
    assert duration_seconds(text) == expected


@pytest.mark.parametrize("text", ["", "h", "1.5h", "-1", "1w", " 1"])
def test_what_is_not_one(text):
    assert not re.fullmatch(DURATION, text)


def test_an_option_without_a_default_has_to_be_given():
    table = make_dataclass("Table", [("x", int, option(..., "Help.", minimum=1))])
    with pytest.raises(TypeError):
        table()
    assert table(3).x == 3


def test_one_with_a_default_need_not_be():
    assert make_dataclass("Table", [("x", int, option(7, "Help."))])().x == 7
