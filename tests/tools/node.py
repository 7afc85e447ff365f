"""OpenAI's SDK for Node, in a process of its own, as npm installs it beside its lock file."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess

import pytest

from tools.node_methods import FOLDER, NodeMethod, node_version, parameters_of

MINUTES = 5 * 60
"""For npm, on a slow line."""


class NodeError(Exception):
    """What a method has thrown.

    Attributes:
        code: of the router's error, or None.
    """

    def __init__(self, code: str | None, message: str) -> None:
        super().__init__(message)
        self.code = code


class NodeSdk:
    """A client of a router.

    Args:
        url: of the router, with `/v1`.
        key: of the client.
    """

    def __init__(self, url: str, key: str) -> None:
        self._process = subprocess.Popen(
            [needed("node"), "caller.mjs", url, key],
            cwd=FOLDER,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> NodeSdk:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        assert self._process.wait() == 0
        self._process.stdout.close()

    def call(self, method: NodeMethod, python_path: str, arguments: dict) -> None:
        """Calls a method.

        Args:
            method: which.
            python_path: of the method of this name in Python.
            arguments: of that method.

        Raises:
            NodeError: it has thrown something.
        """
        names = parameters_of(python_path)
        values = [arguments[name] for name in names]
        call = {
            "name": method.name,
            "path": dict(zip(parameters_of(method.path), values, strict=True)),
            "members": {key: it for key, it in arguments.items() if key not in names},
        }
        self._process.stdin.write(json.dumps(_with_files(call)) + "\n")
        self._process.stdin.flush()
        outcome = json.loads(self._process.stdout.readline())
        if outcome:
            raise NodeError(**outcome)


def install() -> None:
    """Has npm install the version that is wanted, where it is not yet."""
    installed = FOLDER / "node_modules" / "openai" / "package.json"
    with (FOLDER / "package.json").open() as package:
        fcntl.flock(package, fcntl.LOCK_EX)  # tests run in many processes
        if installed.exists() and json.loads(installed.read_text())["version"] == node_version():
            return
        command = [needed("npm"), "ci", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=FOLDER, check=True, timeout=MINUTES)


def needed(program: str) -> str:
    """The path of a program; where it is not, the test is left out, but fails in CI."""
    path = shutil.which(program)
    if path is None:
        message = f"there is no {program} here, so methods of the SDK for Node are not called"
        (pytest.fail if "CI" in os.environ else pytest.skip)(message)
    return path


def _with_files(value: object) -> object:
    """A value whose files, as the SDK for Python takes them, are as `caller.mjs` takes them."""
    if isinstance(value, dict):
        return {key: _with_files(it) for key, it in value.items()}
    if isinstance(value, list):
        return [_with_files(it) for it in value]
    if isinstance(value, tuple):
        name, content = value
        return {"$file": [name, content.decode()]}
    return value
