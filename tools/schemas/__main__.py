"""Writes `schemas/`, or checks it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import tools.schemas
from tools.schemas import files

FOLDER = Path(__file__).parents[2] / "schemas"


def main() -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        "python -m tools.schemas", description=tools.schemas.__doc__.partition("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    check = parser.parse_args().check
    wanted = files.render_all()
    if not check:
        files.write(FOLDER, wanted)
        print(f"Wrote {len(wanted)} files.")
        return 0
    lines = list(files.differences(files.read(FOLDER), wanted))
    print("\n".join(lines) if lines else f"All {len(wanted)} files are as generated.")
    if lines:
        print("\nschemas/ is not what `python -m tools.schemas` writes.", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
