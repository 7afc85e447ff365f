"""Writes which versions the tests are run with by `make test-versions`, as requirements for pip.

python -m tools.versions lowest FILE   the lowest that the packages of this repository allow
python -m tools.versions newest FILE   the newest

Core and plugins have to be installed. What they only need for their tests has the newest version
that goes with it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tools.lock import direct

AT_LEAST = (">=", "==", "~=")


def lowest(requirement: Requirement) -> Version:
    """The lowest version that a requirement allows.

    Raises:
        ValueError: it has none.
    """
    versions = [
        Version(item.version) for item in requirement.specifier if item.operator in AT_LEAST
    ]
    if not versions:
        raise ValueError(f"{requirement} has no lowest version")
    return max(versions)


def lines(requirements: Iterable[Requirement], which: str) -> list[str]:
    """The lines of a requirements file, with those of the router's extras.

    Args:
        requirements: of the packages; where several name the same one, the lowest version is one
            that all of them allow.
        which: `lowest` or `newest`.
    """
    found = [Requirement(str(item)) for item in requirements]
    if which == "lowest":
        most: dict[str, Version] = {}
        for item in found:
            most[item.name] = max(lowest(item), most.get(item.name, Version("0")))
        for item in found:
            item.specifier = SpecifierSet(f"=={most[item.name]}")
    for item in found:
        if "extra" in str(item.marker):
            item.marker = None
    return sorted(set(map(str, found)))


def main(which: str, path: Path) -> None:
    """Writes the file."""
    path.write_text("".join(f"{line}\n" for line in lines(direct(), which)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
