"""Writes a page of the documentation that is made from the code, or checks it."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs"


def write_or_check(name: str, text: str, module: str) -> None:
    """Writes a page; with `--check` on the command line, fails if it differs instead.

    Args:
        name: of the page's file.
        text: what it should hold.
        module: the command that writes the page, for the message.
    """
    page = FOLDER / name
    if "--check" not in sys.argv[1:]:
        page.write_text(text, encoding="utf-8")
    elif not page.exists() or page.read_text(encoding="utf-8") != text:
        sys.exit(f"docs/{name} is out of date: run python -m {module}")
