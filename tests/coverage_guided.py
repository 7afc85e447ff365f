"""Has coverage choose the bytes that the front or the client gets: `pip install atheris`, and then

python -m tests.coverage_guided front|client [-max_total_time=600] [CORPUS]

The options are libFuzzer's. A suite of either module tries some bytes by chance, without atheris.
"""

import importlib
import random
import sys
from itertools import pairwise

TARGETS = {
    "front": ("tests.http.llhttp.fuzzed_requests", ["tornado_router.http.llhttp"]),
    "client": ("tests.calls.upstream.fuzzed_responses", ["tornado_router.calls.upstream"]),
}
"""The module with `check(data)`, and the packages whose coverage counts."""

MOST_PARTS = 14


class Choices:
    """Makes choices by some bytes, and zeros behind them."""

    def __init__(self, data):
        self._data = data
        self._at = 0

    def number(self, most):
        """One of 0 to a number below 256."""
        self._at += 1
        return self._data[self._at - 1] % (most + 1) if self._at <= len(self._data) else 0

    def text(self, known):
        """Known parts, and others, in any order."""
        parts = []
        for _ in range(1 + self.number(MOST_PARTS - 1)):
            number = self.number(len(known) + 3)
            if number < len(known):
                parts.append(known[number])
            else:
                size = self.number(8)
                parts.append(self._data[self._at : self._at + size])
                self._at += size
        return b"".join(parts)

    def pieces(self, data):
        """The data, cut: at each byte, or at some."""
        if self.number(1):
            return [data[at : at + 1] for at in range(len(data))]
        cuts = {2 * self.number(255) + self.number(1) for _ in range(self.number(5))}
        at = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
        return [data[start:end] for start, end in pairwise(at)]


def by_chance(check, count):
    """Checks some bytes; the same each time."""
    chance = random.Random(1)
    for _ in range(count):
        check(chance.randbytes(chance.randrange(80)))


def main():
    import atheris

    name, packages = TARGETS[sys.argv.pop(1)]
    with atheris.instrument_imports(include=packages):
        check = importlib.import_module(name).check
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
