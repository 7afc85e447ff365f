"""Environment variables in the strings of a configuration."""

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.config.expand import Expanded, ExpansionError, coerce, expand

ENVIRON = {"A": "apple", "EMPTY": "", "LOOP": "${A}", "_x1": "under"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${A}", "apple"),
        ("${_x1}", "under"),
        ("<${A}|${A}>", "<apple|apple>"),
        ("${EMPTY}", ""),
        ("${A:-pear}", "apple"),
        ("${NO:-pear}", "pear"),
        ("${NO:-}", ""),
        ("${NO:-a b:-c$d}", "a b:-c$d"),
        ("${EMPTY:-pear}", "pear"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$${A}", "$apple"),
        ("100$$", "100$"),
        ("${LOOP}", "${A}"),
        ("{A}", "{A}"),
    ],
)
def test_expands(text, value):
    assert expand(text, ENVIRON) == value


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(ExpansionError, match="NO is not set") as caught:
        expand("x${NO}", ENVIRON)
    assert caught.value.missing == "NO is not set"


@pytest.mark.parametrize(
    "text", ["$", "$A", "a$", "${", "${}", "${A", "${1A}", "${A-b}", "${A:b}", "${ A }", "$(A)"]
)
def test_malformed(text):
    with pytest.raises(ExpansionError, match="begins no") as caught:
        expand(text, ENVIRON)
    assert caught.value.missing is None


def test_a_malformed_reference_is_not_quoted_as_it_may_stand_in_a_secret():
    with pytest.raises(ExpansionError) as caught:
        expand("hunter2$", ENVIRON)
    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_any_text_can_be_written_with_doubled_dollars(text):
    assert expand(text.replace("$", "$$"), {}) == text


@given(st.text())
def test_a_value_is_never_read_for_references(text):
    assert expand("${A}", {"A": text}) == text


@given(st.text(st.sampled_from("${}:-A b")))
def test_any_text_is_expanded_or_refused(text):
    try:
        assert isinstance(expand(text, ENVIRON), str)
    except ExpansionError:
        assert "$" in text


class TestFiles:
    def test_a_file_gives_its_text(self, tmp_path):
        (tmp_path / "secret").write_text("sk-1\n")
        assert expand(f"Bearer ${{file:{tmp_path}/secret}}!", {}) == "Bearer sk-1!"

    def test_a_byte_order_mark_is_no_text(self, tmp_path):
        (tmp_path / "secret").write_bytes(b"\xef\xbb\xbfsk-1\r\n")
        assert expand(f"${{file:{tmp_path}/secret}}", {}) == "sk-1"

    def test_a_dollar_in_a_file_is_no_reference(self, tmp_path):
        (tmp_path / "secret").write_text("a$b${HOME}")
        assert expand(f"${{file:{tmp_path}/secret}}", {"HOME": "x"}) == "a$b${HOME}"

    def test_that_is_not_there_is_missing(self, tmp_path):
        with pytest.raises(ExpansionError, match="there is no file") as caught:
            expand(f"${{file:{tmp_path}/none}}", {})
        assert caught.value.missing == f"there is no file {tmp_path}/none"

    @pytest.mark.parametrize(
        ("content", "why"),
        [(b"\xff", "is not UTF-8 text"), (b"x" * 70_000, "is too long"), (None, "cannot be read")],
    )
    def test_that_gives_no_value(self, tmp_path, content, why):
        path = tmp_path / "secret"
        path.mkdir() if content is None else path.write_bytes(content)
        with pytest.raises(ExpansionError, match=why) as caught:
            expand(f"${{file:{path}}}", {})
        assert caught.value.missing is None

    @pytest.mark.parametrize("path", ["", "secret", "../secret"])
    def test_paths_are_absolute(self, path):
        with pytest.raises(ExpansionError, match="must be absolute"):
            expand(f"${{file:{path}}}", {})


class TestCoerce:
    SCHEMA: ClassVar = {
        "type": "object",
        "properties": {
            "port": {"type": "integer"},
            "delay": {"type": "number"},
            "on": {"type": "boolean"},
            "name": {"type": "string"},
        },
        "additionalProperties": {"properties": {"port": {"type": "integer"}}},
    }

    def coerce(self, **table):
        return coerce(table, self.SCHEMA)

    def test_what_the_environment_gave_is_read_as_declared(self):
        table = self.coerce(
            port=Expanded("3000"), delay=Expanded("1.5"), on=Expanded("TRUE"), name=Expanded("7")
        )
        assert table == {"port": 3000, "delay": 1.5, "on": True, "name": "7"}
        assert type(table["name"]) is str

    def test_false(self):
        assert self.coerce(on=Expanded("false")) == {"on": False}

    def test_what_the_file_says_in_quotes_stays_text(self):
        table = {"port": "3000", "delay": "1.5", "on": "true"}
        assert self.coerce(**table) == table

    @pytest.mark.parametrize("text", ["", "3000.5", "many", "0x10"])
    def test_what_is_no_number_stays_text_for_the_schema_to_refuse(self, text):
        assert self.coerce(port=Expanded(text)) == {"port": text}

    @pytest.mark.parametrize("text", ["", "yes", "1"])
    def test_what_is_no_boolean_stays_text_for_the_schema_to_refuse(self, text):
        assert self.coerce(on=Expanded(text)) == {"on": text}

    def test_tables_in_tables(self):
        assert self.coerce(any={"port": Expanded("1")}) == {"any": {"port": 1}}

    def test_an_undeclared_option_may_still_be_read_by_a_plugins_schema(self):
        table = coerce({"port": Expanded("1")}, {"type": "object"})
        assert coerce(table, self.SCHEMA) == {"port": 1}
