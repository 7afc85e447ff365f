"""pytest in a process of its own, as the author of a plugin runs it."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

PLUGIN = "tornado_router.testing.pytest_plugin"


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Runs pytest in a folder, whose packages it can import."""
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    installed = {item.value for item in entry_points(group="pytest11")}
    plugin = [] if PLUGIN in installed else ["-p", PLUGIN]
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", "-p", "no:xdist"),
            *("-p", "no:tornado", "--rootdir", str(folder)),
            *arguments,
        ],
        cwd=folder,
        env={**environment, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
