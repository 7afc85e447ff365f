"""The quantities of usage, which everything that records or shows them iterates over."""

from tornado_router.usage import (
    AMOUNTS,
    COMMON,
    NO_RARE,
    QUANTITIES,
    QUANTITIES_AND_TOTAL,
    RARE,
    Usage,
    quantities,
    rare,
)


def test_the_total_is_prompt_and_completion_as_the_others_are_parts_of_these():
    assert Usage(11, 7, cached_tokens=3, reasoning_tokens=2).total_tokens == 18


def test_every_quantity_is_a_field_and_the_total_stands_behind_its_parts():
    assert all(getattr(Usage(), name) == 0 for name in QUANTITIES)
    assert QUANTITIES_AND_TOTAL[:3] == ("prompt_tokens", "completion_tokens", "total_tokens")
    assert {*QUANTITIES_AND_TOTAL} == {*QUANTITIES, "total_tokens"}


def test_the_rare_quantities_are_those_behind_the_common_ones():
    usage = Usage(11, 7, images=2, seconds=1.5, estimated=True)
    assert dict(zip(QUANTITIES, quantities(usage), strict=True))["seconds"] == 1.5
    assert dict(zip(RARE, rare(usage), strict=True)) == {
        **dict.fromkeys(RARE, 0),
        "images": 2,
        "seconds": 1.5,
    }
    assert QUANTITIES[:COMMON][-1] == "reasoning_tokens"
    assert rare(Usage(11, 7, 3, 4, 2)) == NO_RARE
    assert AMOUNTS == ("images", "seconds", "characters", "searches")
