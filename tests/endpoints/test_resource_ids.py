"""Ids in requests, wherever they stand."""

import pytest

from tornado_router.endpoints.resource_ids import field_of, ids_in, ids_in_text, is_certain

FILE = "file-6F2ksmvXxt4VdoqmHRw6kL"


@pytest.mark.parametrize(
    "text",
    [
        FILE,
        "FILE-" + "a1" * 12,
        "vs_" + "0" * 32,
        "asst_abcDEFghiJKLmnoPQRstuvwx",
        "file-8f14e45f-ceea-467f-9a5c-1b2c3d4e5f60",
        "thread_" + "Ab" * 12,
    ],
)
def test_ids_are_known_by_their_form(text):
    assert is_certain(text)


@pytest.mark.parametrize(
    "text",
    [
        "file_search",
        "file-upload-button",
        "file_" + "a" * 30,
        "skill_reference",
        "hello",
        "vs_1",
        "",
    ],
)
def test_words_are_no_ids(text):
    assert not is_certain(text)


@pytest.mark.parametrize(
    "text",
    [FILE, f" {FILE}\n", f"https://x/files/{FILE}/content", f"sandbox:/{FILE},x", f"[{FILE}]"],
)
def test_an_id_is_found_in_a_text_without_blanks(text):
    assert (FILE, "x", True) in list(ids_in_text(text, "x"))


def test_a_text_that_speaks_of_an_id_names_none():
    assert list(ids_in({"content": f"Look at {FILE}, please."})) == []


def test_fields_that_hold_ids_hold_nothing_else():
    body = {"tools": [{"file_ids": ["a", 1, None]}], "conversation": {"id": "c", "x": "y"}}
    found = {(item.id, item.param) for item in ids_in(body) if item.is_certain}
    assert found == {("a", "tools[0].file_ids[0]"), ("c", "conversation.id")}


def test_names_of_ones_own_are_no_fields_of_the_api():
    assert not [item for item in ids_in({"metadata": {"file_id": "mine"}}) if item.is_certain]
    assert [item.id for item in ids_in({"metadata": {"x": FILE}}) if item.is_certain] == [FILE]


def test_deep_and_wide_json_is_walked_through():
    value = FILE
    for _ in range(5000):
        value = [value]
    assert [item.id for item in ids_in(value)] == [FILE]


def test_a_name_in_a_form_stands_for_a_field():
    assert field_of("tools[0][file_id]") == "file_id"
    assert field_of("file_ids[]") == "file_ids"
    assert field_of("purpose") == "purpose"
    assert field_of("[]") == "[]"
