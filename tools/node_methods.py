"""Every method of OpenAI's SDK for Node that sends a request, as node_sdk/methods.txt has it.

`node tools/node_sdk/methods.mjs` finds them in the SDK; its version is in `node_sdk/package.json`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "node_sdk"

_PARAMETER = re.compile(r"\{(\w+)\}")
_NEW_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class NodeMethod(NamedTuple):
    """One method.

    Attributes:
        name: as its user writes it, such as `vectorStores.files.content`.
        verb: of its request.
        path: of its request, below `/v1`, with the names of parameters in braces.
    """

    name: str
    verb: str
    path: str

    @property
    def python_name(self) -> str:
        """The name of the same method in the SDK for Python."""
        return _NEW_WORD.sub("_", self.name).lower()

    def sends_like(self, verb: str, path: str) -> bool:
        """Whether its request is this one, whatever the parameters are called."""
        return self.verb == verb and _PARAMETER.sub("{}", self.path) == _PARAMETER.sub("{}", path)


def node_methods() -> dict[str, NodeMethod]:
    """All of them, by their names in Python."""
    lines = (FOLDER / "methods.txt").read_text(encoding="utf-8").splitlines()
    methods = [NodeMethod(*line.split()) for line in lines]
    return {method.python_name: method for method in methods}


def node_version() -> str:
    """The version of the SDK."""
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    return str(package["dependencies"]["openai"])


def parameters_of(path: str) -> list[str]:
    """The names of the parameters of a path, in their order."""
    return _PARAMETER.findall(path)
