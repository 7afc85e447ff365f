"""Holds the ceilings: a file has at most 400 lines, a function at most 50.

python -m tools.ceilings            fails if anything is over its ceiling
python -m tools.ceilings --shrink   lowers the numbers of the list as far as they go

`tools/ceilings.toml` lists the exceptions with their lengths. The list may only shrink: an entry
that is not needed, or whose number could be lower, fails the check too. Tests are counted and
reported, but have no ceiling: a reader looks a case up there and does not read them as a whole.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 50

ROOT = Path(__file__).parent.parent
SOURCES = ("tornado_router/**/*.py", "plugins/*/tornado_router_*/**/*.py", "tools/**/*.py")
TESTS = ("tests/**/*.py", "plugins/*/tests/**/*.py", "proof/*.py", "chaos/*.py", "deploy/*.py")
EXCEPTIONS = "tools/ceilings.toml"

HEAD = """\
# What is longer than `python -m tools.ceilings` allows, and how long it is. This list may only
# shrink: `python -m tools.ceilings --shrink` lowers the numbers and drops what is not needed.
"""


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
            if lines > FILE_LINES:
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


def faults(found: Mapping[str, int], allowed: Mapping[str, int]) -> list[str]:
    """A line for everything over its ceiling, and for every exception that has to shrink.

    Args:
        found: the lengths over the ceiling.
        allowed: the exceptions.
    """
    lines = []
    for name in sorted({*found, *allowed}):
        length = found.get(name)
        limit = allowed.get(name)
        ceiling = FUNCTION_LINES if ":" in name else FILE_LINES
        if length is None:
            lines.append(f"{name}: within the ceiling of {ceiling} lines; remove the exception")
        elif limit is None:
            lines.append(f"{name}: {length} lines, but at most {ceiling} are allowed")
        elif length > limit:
            lines.append(f"{name}: {length} lines, but its exception allows {limit}")
        elif length < limit:
            lines.append(f"{name}: {length} lines; lower its exception from {limit}")
    return lines


def shrunk(found: Mapping[str, int], allowed: Mapping[str, int]) -> dict[str, int]:
    """The exceptions without those that are not needed, each as low as it can be."""
    return {name: min(limit, found[name]) for name, limit in allowed.items() if name in found}


def read_exceptions(root: Path) -> dict[str, int]:
    """The exceptions of a repository."""
    return tomllib.loads((root / EXCEPTIONS).read_text(encoding="utf-8"))


def write_exceptions(root: Path, allowed: Mapping[str, int]) -> None:
    """Replaces the exceptions of a repository."""
    lines = [f'"{name}" = {limit}\n' for name, limit in sorted(allowed.items())]
    (root / EXCEPTIONS).write_text(HEAD + "".join(lines), encoding="utf-8")


def main(root: Path, arguments: list[str]) -> int:
    """Checks a repository, or shrinks its list; returns the exit status."""
    found = lengths(root, SOURCES)
    allowed = read_exceptions(root)
    if "--shrink" in arguments:
        allowed = shrunk(found, allowed)
        write_exceptions(root, allowed)
    wrong = faults(found, allowed)
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"exceptions to the ceilings: {len(allowed)}; tests: {len(lengths(root, TESTS))}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(ROOT, sys.argv[1:]))
