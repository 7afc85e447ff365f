"""Forms as clients send them: the same request as a JSON object, part by part."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from mimetypes import guess_type
from typing import Any

from tornado_router.endpoints import ENDPOINTS
from tornado_router.provider import CallFile, Part
from tornado_router.testing import corpus
from tornado_router.validation import load_schema
from tornado_router.validation.form_body import takes_file

_SAMPLES = b64decode(corpus.PNG.partition(",")[2]), b64decode(corpus.WAV)
"""A picture and a sound, in place of a file that is not given."""


def is_form(endpoint: str, body: Mapping[str, Any], files: Sequence[tuple[str, bytes]]) -> bool:
    """Whether a request is sent as a form: it has files, or the endpoint takes nothing else."""
    known = ENDPOINTS.get(endpoint)
    if known is None or not known.form_bytes:
        return bool(files)
    return bool(files) or not known.takes_json or any(name in body for name in _files_of(endpoint))


def form_parts(
    endpoint: str, body: Mapping[str, Any], files: Sequence[tuple[str, bytes]]
) -> Iterator[Part]:
    """The parts of a form.

    Args:
        endpoint: that it is for.
        body: the JSON object that it stands for; of a file, it has the name.
        files: names and bytes. A file of the body that is not here is a sample.
    """
    given, file_fields = dict(files), _files_of(endpoint)
    for name, value in body.items():
        if name in file_fields:
            names = value if isinstance(value, list) else [value]
            field = f"{name}[]" if isinstance(value, list) else name
            for filename in names:
                data = given.pop(filename, _SAMPLES[name == "file"])
                yield _file_part(field, str(filename), data)
        else:
            yield from _field_parts(name, value)
    for filename, data in given.items():
        yield _file_part("file", filename, data)


def _files_of(endpoint: str) -> set[str]:
    """The fields of a request that are files."""
    if endpoint not in ENDPOINTS:
        return set()
    properties = load_schema(f"{endpoint}.request").get("properties", {})
    return {name for name, schema in properties.items() if takes_file(schema)}


def _file_part(field: str, filename: str, data: bytes) -> Part:
    file = CallFile(field, filename, guess_type(filename)[0] or "application/octet-stream")
    file.write(data)
    return Part(field, file)


def _field_parts(name: str, value: Any) -> Iterator[Part]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _field_parts(f"{name}[{key}]", inner)
    elif isinstance(value, list):
        for item in value:
            yield from _field_parts(f"{name}[]", item)
    elif value is not None:
        yield Part(name, value if isinstance(value, str) else json.dumps(value))
