"""Refuses words and phrases that make the texts of this project hard to read.

    python -m tools.prose

Texts are docstrings, messages, comments and pages. A text about such a word puts it in backticks,
as code.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent

SOURCES = (
    "tornado_router/**/*.py",
    "plugins/*/tornado_router_*/**/*.py",
    "tools/**/*.py",
    "docs/**/*.md",
    "plugins/*/README.md",
    "README.md",
    "CHANGELOG.md",
)
GENERATED = ("docs/cli.md", "docs/configuration.md")
"""Pages that are made from the code, which is checked itself."""


class Rule(NamedTuple):
    """A phrase that texts do without.

    Attributes:
        pattern: what finds it.
        instead: what to write.
    """

    pattern: re.Pattern[str]
    instead: str


def _rule(pattern: str, instead: str) -> Rule:
    return Rule(re.compile(rf"\b{pattern}\b", re.IGNORECASE), instead)


RULES = (
    _rule(
        r"(?:whoever|whomever|nobody|somebody|anybody|everybody)(?:'s)?",
        "name it: a client, a user, an operator, a plugin, a task, no module",
    ),
    _rule(r"log-ins?", "sign-in for the act, session for what it begins; the verb is log in"),
    _rule(
        r"(?:an|the|this|its|their|no|of|whole|last|first|each|every|same|good|short|long"
        r"|vendor's|provider's|router's|client's) answers?",
        "response; answer is a verb",
    ),
    _rule(r"repl(?:y|ies|ied)", "response; or the verb: responds, returns, answers"),
    _rule(
        r"(?<!there )(?:is|are|was|were|be) no (?!longer\b|more\b|less\b|one\b)[\w`'-]+",
        "is not a, has no, or the subject with no: no module is ...",
    ),
    _rule(
        r"(?:tells|told|hears|heard)",
        "software shows, reports, names, learns; a caller is informed, asked or notified",
    ),
    _rule(r"(?:hang|hangs|hung|hanging) up", "close the connection"),
    _rule(r"in\s+vain", "without effect, or cancelled, unused, wasted"),
    _rule(r"the\s+books", "the ledger"),
)


class Finding(NamedTuple):
    """A place in a file that a rule refuses."""

    file: str
    line: int
    words: str
    instead: str


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a file, each with its first line; code in backticks is left out."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield 1, _without_code(source)
        return
    for node in ast.walk(ast.parse(source)):
        # One word is a name, not a text.
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, _without_code(node.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _without_code(token.string)


def _without_code(text: str) -> str:
    """A text whose code is blank, with its lines where they were."""
    return re.sub(
        r"^```.*?^```|`[^`\n]+`",
        lambda code: re.sub(r"[^\n]", " ", code[0]) if "\n" in code[0] else "`code`",
        text,
        flags=re.MULTILINE | re.DOTALL,
    )


def findings(root: Path) -> Iterator[Finding]:
    """Everything that the rules refuse in the texts of a repository."""
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(root).as_posix()
            if name not in GENERATED:
                yield from _findings(path, name)


def _findings(path: Path, name: str) -> Iterator[Finding]:
    for start, text in texts(path):
        joined = re.sub(r"\s", " ", text)
        for rule in RULES:
            for found in rule.pattern.finditer(joined):
                line = start + text.count("\n", 0, found.start())
                yield Finding(name, line, found[0], rule.instead)


def main(root: Path) -> int:
    """Checks a repository; returns the exit status."""
    found = list(findings(root))
    for item in found:
        print(f"{item.file}:{item.line}: `{item.words}`: {item.instead}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(ROOT))
