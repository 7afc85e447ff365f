"""CSV is read by any reader, and a spreadsheet computes nothing of it."""

import csv
import io

import pytest

from tornado_router.ledger.csv_lines import csv_lines


def test_lines_as_the_rfc_has_them():
    text = csv_lines([("a", "b"), (1, 'x,"y"\r\nz'), (None, 0.5), (True, False)])
    assert text.startswith("a,b\r\n")
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [
        ["a", "b"],
        ["1", 'x,"y"\r\nz'],
        ["", "0.5"],
        ["true", "false"],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "\uff1d1"])
def test_a_formula_is_shown(text):
    (row,) = csv.reader(io.StringIO(csv_lines([(text, -1)]), newline=""))
    assert row == [f"'{text}", "-1"]
