"""Compiles the mock upstream and the load generator, which are C so as never to be the limit."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from harness import BENCH, BUILD, BenchError


def build(name: str) -> Path:
    """The program made from `bench/NAME.c`, compiled if the source is newer.

    Raises:
        BenchError: there is no C compiler, or it refuses the source.
    """
    source, program = BENCH / f"{name}.c", BUILD / name
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return program
    BUILD.mkdir(exist_ok=True)
    command = [*_compiler(), "-O2", "-o", str(program), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BenchError(f"{shlex.join(command)} failed:\n{result.stderr}")
    return program


def _compiler() -> list[str]:
    command = shlex.split(os.environ.get("CC", "cc"))
    if not shutil.which(command[0]):
        raise BenchError(
            f"The bench needs a C compiler, and there is no '{command[0]}' on the PATH. "
            "Install gcc (on Debian: apt-get install gcc libc6-dev) or name yours in CC."
        )
    return command
