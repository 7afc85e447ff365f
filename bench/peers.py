"""Installs the gateways that the bench compares with, each apart from everything else.

`python bench/peers.py install` puts them under bench/build/peers; `install NAME...` only some.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from harness import BUILD

PEERS = BUILD / "peers"
LITELLM = PEERS / "litellm" / "bin" / "litellm"
SGLANG = PEERS / "sglang" / "bin" / "python"
PORTKEY = PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway"

VERSIONS = {"litellm": "1.106.2", "sglang": "0.3.2", "portkey": "1.15.2"}
"""Pinned, as a comparison holds for these versions only."""


def main() -> int:
    """Installs what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["install"])
    parser.add_argument("peers", nargs="*", metavar="NAME", help=f"of {', '.join(VERSIONS)}")
    names = parser.parse_args().peers or list(VERSIONS)
    if unknown := set(names) - set(VERSIONS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    failed = [name for name in names if not _install(name)]
    if failed:
        print(f"Not installed: {', '.join(failed)}. The bench leaves them out.", file=sys.stderr)
    return 1 if failed else 0


def _install(name: str) -> bool:
    print(f"Installing {name} {VERSIONS[name]} ...", flush=True)
    folder = PEERS / name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _INSTALLERS[name](folder, VERSIONS[name])
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"  {error}", file=sys.stderr)
        return False
    return True


def _install_litellm(folder: Path, version: str) -> None:
    _pip_install(folder, f"litellm[proxy]=={version}")


def _install_sglang(folder: Path, version: str) -> None:
    _pip_install(folder, f"sglang-router=={version}")


def _install_portkey(folder: Path, version: str) -> None:
    npm = shutil.which("npm")
    if not npm:
        raise OSError("Portkey's gateway needs Node 20 and npm, and there is no npm on the PATH.")
    package = f"@portkey-ai/gateway@{version}"
    options = ["--prefix", str(folder), "--no-audit", "--no-fund", "--save-exact"]
    subprocess.run([npm, "install", *options, package], check=True)


def _pip_install(folder: Path, requirement: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, requirement], check=True)


_INSTALLERS: dict[str, Callable[[Path, str], None]] = {
    "litellm": _install_litellm,
    "sglang": _install_sglang,
    "portkey": _install_portkey,
}


if __name__ == "__main__":
    sys.exit(main())
