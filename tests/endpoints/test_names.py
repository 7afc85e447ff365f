"""No module but those of the endpoints knows an endpoint by its name."""

import ast
from pathlib import Path

import pytest

import tornado_router
from tornado_router.endpoints import ENDPOINTS

PACKAGE = Path(tornado_router.__file__).parent
EXEMPT = ("endpoints/", "scaffold/template/")

WORDS = {"messages", "realtime", "responses"}
"""Names that are something else, too: fields of a chat completion and of an OpenAPI document, and a
sub-protocol of websockets."""

NAMES = {name for endpoint in ENDPOINTS.values() for name in (endpoint.name, endpoint.path)} - WORDS
STARTS = tuple(f"{name}." for name in ENDPOINTS if name not in WORDS)
"""Of the names of schemas, such as `chat.completions.chunk`."""

OBJECTS = ("chat.completion", "text_completion")
"""What responses call themselves. The kit, which imitates clients, may know these."""


def modules():
    names = (path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py")))
    return [name for name in names if not name.startswith(EXEMPT)]


def texts(tree):
    """The strings of a module; docstrings may explain what they like."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


@pytest.mark.parametrize("module", modules())
def test_no_endpoint_is_known_by_name(module):
    tree = ast.parse((PACKAGE / module).read_text())
    objects = () if module.startswith("testing/") else OBJECTS
    known = [
        f"line {line}: {text}"
        for line, text in texts(tree)
        if text in NAMES or text.startswith((*STARTS, *objects))
    ]
    assert not known, "ask the endpoint's object instead"
