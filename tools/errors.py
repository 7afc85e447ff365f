"""Renews the tables of docs/errors.md from the table of errors, `tornado_router.error_codes`.

python -m tools.errors           writes the rows of the tables; the rest is written by hand
python -m tools.errors --check   fails if the page is not what it would write

A new code needs a line in the table where it belongs, such as "| 0 | `its_code` | |".
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from tools.pages import FOLDER, write_or_check
from tornado_router.error_codes import ROWS
from tornado_router.errors import ApiError, ErrorCode

_LINE = re.compile(r"\| (?P<status>\d+) \| (`(?P<code>\w+)`|null) \|.*\|")


def page(text: str) -> str:
    """The whole page.

    Args:
        text: the page as it is, which says where each code has its line.
    """
    missing = {_key(row.status, row.code) for row in ROWS}
    lines: list[str] = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            lines.append(line)
            continue
        key = _key(int(match["status"]), match["code"])
        if key in missing:
            lines += _rows(key)
            missing.remove(key)
    if missing:
        sys.exit(f"docs/errors.md needs a line for each of these: {', '.join(sorted(missing))}")
    return "\n".join(lines) + "\n"


def _rows(key: str) -> Iterator[str]:
    for row in ROWS:
        if row.meaning and _key(row.status, row.code) == key:
            yield f"| {row.status} | {_cell(row)} | {row.meaning} |"


def _cell(row: ErrorCode[ApiError]) -> str:
    return f"`{row.code}`" if row.code else "null"


def _key(status: int, code: str | None) -> str:
    """What stands together: rows with the same code, or with the same status and no code."""
    return code or f"{status} null"


if __name__ == "__main__":
    write_or_check("errors.md", page((FOLDER / "errors.md").read_text("utf-8")), "tools.errors")
