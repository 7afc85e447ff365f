"""What a client may say of an API key, and what is refused with the field at fault."""

from decimal import Decimal

import pytest

from tornado_router.config.options import MAX_RATE
from tornado_router.storage.tables import ApiKey

from .people import make_key, refused

pytestmark = pytest.mark.usefixtures("ada_and_bob")


class TestFields:
    @pytest.mark.parametrize(
        ("values", "code", "param"),
        [
            ({"name": ""}, "invalid_value", "name"),
            ({"name": "a\nb"}, "invalid_value", "name"),
            ({"name": "x" * 101}, "string_above_max_length", "name"),
            ({"rpm": -1}, "invalid_value", "rpm"),
            ({"tpm": MAX_RATE + 1}, "invalid_value", "tpm"),
            ({"max_in_flight": -1}, "invalid_value", "max_in_flight"),
            ({"budget": -1}, "invalid_value", "budget"),
            ({"budget": "1.0000000001"}, "invalid_value", "budget"),
            ({"budget": "much"}, "invalid_value", "budget"),
            ({"budget": 1_000_001}, "invalid_value", "budget"),
            ({"budget_period": "year"}, "invalid_value", "budget_period"),
            ({"models": [""]}, "invalid_value", "models[0]"),
            ({"models": ["x"] * 101}, "invalid_value", "models"),
            ({"models": ["*" + "x" * 199] * 11}, "invalid_value", "models"),
            ({"models": ["x" * 201]}, "string_above_max_length", "models[0]"),
            ({"endpoints": ["chat.completions", "chat"]}, "invalid_value", "endpoints[1]"),
            ({"expires_at": 1}, "invalid_value", "expires_at"),
            ({"expires_at": 10**18}, "invalid_value", "expires_at"),
        ],
    )
    def test_what_cannot_be_used(self, values, code, param):
        assert refused(lambda: make_key(**values)) == (400, code, param)
        assert not ApiKey.select().exists()

    @pytest.mark.parametrize("amount", [0.1, "0.1"])
    def test_a_budget_is_what_was_written(self, amount):
        row, _ = make_key(budget=amount)
        assert row.budget == Decimal("0.1")
