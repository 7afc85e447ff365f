"""What people type: one form of each address, lines that can be shown, exact amounts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.accounts.text import clean_email, clean_text, known_email, parse_dollars
from tornado_router.errors import ApiError

from .people import refused


class TestEmail:
    @pytest.mark.parametrize(
        ("text", "clean"),
        [
            ("ann@example.com", "ann@example.com"),
            ("  Ann.Lee+Tag@Example.COM\t", "ann.lee+tag@example.com"),
            ("admin@localhost", "admin@localhost"),
            ("o'neill@example.com", "o'neill@example.com"),
            ("JOSE\u0301@EXAMPLE.com", "jos\u00e9@example.com"),
            ("\u212aelvin@example.com", "kelvin@example.com"),
            ("用户@例子.广告", "用户@例子.广告"),
            ("ann@xn--mller-kva.de", "ann@müller.de"),
            ("ann@example\u3002com", "ann@example.com"),
            *((each, each) for each in ("a@b", "ann@db-1", "ann@mail.corp.local", "ann@10.0.0.1")),
            *((each, each) for each in ("ann@router.test", "ann@mail.internal", "%@b.c")),
            ("a" * 242 + "@example.com", "a" * 242 + "@example.com"),
        ],
    )
    def test_has_one_form(self, text, clean):
        assert clean_email(text) == clean

    @pytest.mark.parametrize(
        "text",
        [
            *("", " ", "ann", "@", "ann@", "@example.com", "ann@@example.com", "a@b@c"),
            *("ann lee@example.com", "ann@exam ple.com", "ann@-example.com", "ann@example.com."),
            *("ann@example.com\r\nBcc: x@y", "ann\n@example.com", "a\0@example.com"),
            *("Ann <ann@example.com>", '"ann"@example.com', "ann@[127.0.0.1]", "a,b@example.com"),
            *("deleted:7", "deleted:7@example.com", "ann\u200b@example.com"),
            *("ann\u202e@example.com", "ann\u00a0@example.com", "a..b@example.com"),
            *(".ann@example.com", "ann.@example.com", "ann@example..com", "ann@example-.com"),
            *("ann@ex\udcffample.com", "a" * 243 + "@example.com", "a@" + "b" * 1_000_000),
        ],
    )
    def test_is_none(self, text):
        assert refused(clean_email, text) == (400, "invalid_value", "email")

    @given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
    def test_its_form_is_final(self, local, domain):
        try:
            clean = clean_email(f"{local}@{domain}")
        except ApiError:
            return
        assert clean_email(clean) == clean


class TestKnownEmail:
    @pytest.mark.parametrize(
        ("text", "known"),
        [
            (" Ann@xn--mller-kva.de", "ann@müller.de"),
            ("Ann..Lee@example.com ", "ann..lee@example.com"),
            ("ANN@example-.com", "ann@example-.com"),
        ],
    )
    def test_also_of_an_address_that_could_not_be_registered_today(self, text, known):
        assert known_email(text) == known

    @pytest.mark.parametrize(
        "text", ["", "ann", "a\0..@example.com", "a..b@ex\udcffample.com", "a..@" + "b" * 1_000_000]
    )
    def test_is_none(self, text):
        assert refused(known_email, text) == (400, "invalid_value", "email")


class TestText:
    @pytest.mark.parametrize(
        ("text", "clean"),
        [
            (" Ann Lee ", "Ann Lee"),
            ("Jose\u0301", "Jos\u00e9"),
            ("👩\u200d🚀", "👩\u200d🚀"),
            ("", ""),
            ("<b>&amp;'", "<b>&amp;'"),
        ],
    )
    def test_is_kept(self, text, clean):
        assert clean_text(text, "name") == clean

    @pytest.mark.parametrize(
        "text",
        ["a\nb", "a\r\nX-Admin: 1", "a\0", "\x1b[2J", "a\u2028b", "a\u202eb", "\u2066", "\udcff"],
    )
    def test_is_not_for_display(self, text):
        assert refused(clean_text, text, "name") == (400, "invalid_value", "name")

    def test_is_too_long(self):
        assert clean_text("é" * 100, "name") == "é" * 100
        expected = (400, "string_above_max_length", "name")
        assert refused(clean_text, "é" * 101, "name") == expected


class TestDollars:
    @pytest.mark.parametrize(
        ("value", "amount"),
        [
            ("12.5", "12.5"),
            ("-0.000000001", "-0.000000001"),
            ("+7", "7"),
            (3, "3"),
            (0.1, "0.1"),
            (1e-9, "0.000000001"),
            (1000000, "1000000"),
            (Decimal("1.50"), "1.50"),
        ],
    )
    def test_are_exact(self, value, amount):
        assert parse_dollars(value) == Decimal(amount)

    @pytest.mark.parametrize(
        "value",
        [
            *("", " ", "abc", "1e3", "NaN", "Infinity", "-inf", "1,5", "0x10", "1_000", "٣", "$5"),
            *("1.0000000001", "1000000.000000001", "-1000001", "9" * 1000, " 5", "5\n", "."),
            *(1e-10, 1e300, float("nan"), float("inf"), 10**30, Decimal("1e-12")),
        ],
    )
    def test_are_none(self, value):
        assert refused(parse_dollars, value) == (400, "invalid_value", "amount")
