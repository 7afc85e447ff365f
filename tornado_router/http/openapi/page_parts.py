"""The style and the script of the page, and the policy by which a browser takes no others."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources


def read_part(name: str) -> str:
    """The text of a file beside this module."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _source(text: str) -> str:
    """What a policy says of the one text that it allows inline."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


STYLE = read_part("page.css")
SCRIPT = read_part("page.js")

POLICY = "; ".join(
    [
        "default-src 'none'",
        f"script-src {_source(SCRIPT)}",
        f"style-src {_source(STYLE)}",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""The page's `Content-Security-Policy`: https://www.w3.org/TR/CSP3/."""
