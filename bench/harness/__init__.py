"""What the scripts of this folder share: targets are started, pinned, loaded and measured."""

from pathlib import Path

BENCH = Path(__file__).parent.parent
BUILD = BENCH / "build"
RESULTS = BENCH / "results"


class BenchError(Exception):
    """A measurement that cannot be made, with the reason in words for whoever runs the bench."""


class UnavailableError(BenchError):
    """A target that is not installed here."""
