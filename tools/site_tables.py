"""Names in each cell of the site's tables its column, which a phone shows instead of a head.

A hook of mkdocs: https://www.mkdocs.org/user-guide/configuration/#hooks.
"""

from __future__ import annotations

import re
from html import escape, unescape
from itertools import cycle

_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_HEAD = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)


def on_page_content(html: str, **_: object) -> str:
    """The page's HTML with `data-column` in each cell; mkdocs calls it by this name."""
    return _TABLE.sub(lambda table: _labelled(table[0]), html)


def _labelled(table: str) -> str:
    """A table of Markdown: each of its rows has as many cells as its head."""
    names = (unescape(re.sub(r"<[^>]+>", "", head)) for head in _HEAD.findall(table))
    columns = cycle([escape(name) for name in names])
    return re.sub(r"<td\b", lambda _: f'<td data-column="{next(columns)}"', table)
