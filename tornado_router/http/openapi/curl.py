"""Commands that try an operation out, for the page of the API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from tornado_router.validation.forms import FORM


def curl_commands(
    method: str,
    path: str,
    parameters: Sequence[Mapping[str, Any]],
    variable: str,
    sent: Mapping[str, Sequence[str]],
) -> Iterable[tuple[str, str]]:
    """A `curl` for each example body, or the one without a body.

    Args:
        method: of the operation.
        path: of the operation.
        parameters: of its path and query.
        variable: of the shell, which has the key or token; empty if none is needed.
        sent: what sends each example, by their titles.
    """
    query = {}
    for it in parameters:
        if it["in"] == "path":
            path = path.replace(f"{{{it['name']}}}", str(it["example"]))
        elif it["in"] == "query" and "examples" in it["schema"]:
            query[it["name"]] = it["schema"]["examples"][0]
    url = f'"$BASE_URL{path}{"?" if query else ""}{urlencode(query)}"'
    lines = ["curl " + ("" if method in ("get", "post") else f"-X {method.upper()} ") + url]
    if variable:
        lines.append(f'-H "Authorization: Bearer ${variable}"')
    if not sent:
        post = ["-X POST"] if method == "post" else []
        yield "", " \\\n  ".join(lines[:1] + post + lines[1:])
    for title, more in sent.items():
        yield title, " \\\n  ".join([*lines, *more])


def sent_by(media: str, examples: Mapping[str, Any], files: set[str]) -> dict[str, list[str]]:
    """The arguments of `curl` that send each example body, by their titles."""
    sent = {}
    for example in examples.values():
        value = example["value"]
        more = ["--no-buffer"] if value.get("stream") else []
        if media == FORM:
            more += [f"-F {_quoted(text)}" for text in _form(value, files)]
        else:
            body = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
            more += ['-H "Content-Type: application/json"', f"-d {_quoted(body)}"]
        sent[example["summary"]] = more
    return sent


def _form(value: Mapping[str, Any], files: set[str]) -> Iterator[str]:
    """The fields of a form as `curl` takes them."""
    for name, item in value.items():
        field = f"{name}[]" if isinstance(item, list) else name
        for each in item if isinstance(item, list) else [item]:
            text = each if isinstance(each, str) else orjson.dumps(each).decode()
            yield f"{field}=@{text}" if name in files else f"{field}={text}"


def _quoted(text: str) -> str:
    """A text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
