"""Pins what the container image is made of: writes requirements.lock, with a hash for every file.

    python -m tools.lock

It takes the newest versions that the packages of this repository allow, for every Python and
platform that they run on. Core and plugins have to be installed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib.metadata import distributions, requires
from pathlib import Path

from packaging.requirements import Requirement

LOCK = Path(__file__).parent.parent / "requirements.lock"
OWN = "tornado-llm-router"
EXTRAS = ("", "otel", "postgres", "prices")
"""Of the core, in the image."""

HEAD = "# What the container image is made of, by `python -m tools.lock`; do not edit.\n"
OLDEST_PYTHON = "3.11"


def direct() -> Iterator[Requirement]:
    """What the core, with the extras of the image, and the plugins of this repository ask for."""
    ours = {item.name for item in distributions() if item.name.startswith(OWN)}
    for name in sorted(ours):
        for text in requires(name) or ():
            requirement = Requirement(text)
            if requirement.name not in ours and _is_wanted(requirement):
                yield requirement


def _is_wanted(requirement: Requirement) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in EXTRAS)


def _outside_of_extras(requirement: Requirement) -> str:
    if "extra" in str(requirement.marker):
        requirement.marker = None
    return str(requirement)


def main() -> None:
    """Writes the file."""
    wanted = sorted(set(map(_outside_of_extras, direct())))
    command = [
        "uv",
        "pip",
        "compile",
        "-",
        "--quiet",
        "--universal",
        "--no-header",
        "--no-annotate",
    ]
    done = subprocess.run(
        [*command, "--generate-hashes", "--python-version", OLDEST_PYTHON],
        input="\n".join(wanted),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    LOCK.write_text(HEAD + done.stdout)


if __name__ == "__main__":
    main()
