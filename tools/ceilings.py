"""Holds the ceilings: a file has at most 400 lines, a function at most 50.

    python -m tools.ceilings

The catalogue of options has no ceiling, as each option adds to it. Tests are counted and reported,
but have no ceiling either: a reader looks a case up there and does not read them as a whole.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 50

ROOT = Path(__file__).parent.parent
SOURCES = ("tornado_router/**/*.py", "plugins/*/tornado_router_*/**/*.py", "tools/**/*.py")
TESTS = ("tests/**/*.py", "plugins/*/tests/**/*.py", "proof/*.py", "chaos/*.py", "deploy/*.py")
CATALOGUES = ("tornado_router/config/options.py",)


def lengths(root: Path, patterns: Iterable[str]) -> dict[str, int]:
    """The number of lines of every file and function that is over its ceiling.

    Args:
        root: the folder of the repository.
        patterns: of the files, relative to it.

    Returns:
        Lengths by `path` for a file, by `path:Class.function` for a function.
    """
    found = {}
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            name = path.relative_to(root).as_posix()
            lines = len(text.splitlines())
            if lines > FILE_LINES and name not in CATALOGUES:
                found[name] = lines
            for function, length in _functions(ast.parse(text), ""):
                if length > FUNCTION_LINES:
                    found[f"{name}:{function}"] = length
    return found


def _functions(parent: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
    """Functions by their qualified names, from `def` to the last line, the docstring included."""
    for node in ast.iter_child_nodes(parent):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _functions(node, prefix)
            continue
        name = f"{prefix}{node.name}"
        if not isinstance(node, ast.ClassDef):
            assert node.end_lineno is not None
            yield name, node.end_lineno - node.lineno + 1
        yield from _functions(node, f"{name}.")


def main(root: Path) -> int:
    """Checks a repository; returns the exit status."""
    found = lengths(root, SOURCES)
    for name, length in sorted(found.items()):
        ceiling = FUNCTION_LINES if ":" in name else FILE_LINES
        print(f"{name}: {length} lines, but at most {ceiling} are allowed", file=sys.stderr)
    print(f"over the ceilings: {len(found)}; tests: {len(lengths(root, TESTS))}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(ROOT))
