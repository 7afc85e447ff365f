"""The parts of a message's content: text, images, audio and files.

https://ai.google.dev/api/caching#Part. Media travel as `inlineData`, or as `fileData` where the
client gives an address that Google can fetch itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.provider import Call, Params, sniffed_type
from tornado_router_google.models import Traits
from tornado_router_google.wire import cannot

Part = dict[str, Any]

_AUDIO = frozenset({"wav", "mp3", "aiff", "aac", "ogg", "flac"})
"""https://ai.google.dev/gemini-api/docs/audio#supported-formats."""

_MIME_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "gif": "image/gif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
    "xml": "text/xml",
    "json": "application/json",
}
_CORRECTED = {"image/jpg": "image/jpeg", "audio/x-wav": "audio/wav"}


class PartReader:
    """Translates content; what Google cannot take is refused or dropped, as the operator says."""

    def __init__(self, call: Call, params: Params, traits: Traits) -> None:
        self._dropped = call.dropped
        self._params = params
        self._traits = traits

    def read(self, content: Any, path: str) -> list[Part]:
        """The parts of a `content`, which is a text or a list of parts.

        Empty texts are left out: Google refuses them, and they say nothing.
        """
        if isinstance(content, str):
            return [{"text": content}] if content else []
        if content is None:
            return []
        parts = []
        for index, item in enumerate(content):
            part = self._part(item, f"{path}[{index}]")
            if part is not None:
                parts.append(part)
        return parts

    def read_text(self, content: Any, path: str) -> list[Part]:
        """As `read`, where Google takes nothing but text: system messages and tool results."""
        if isinstance(content, str) or content is None:
            return self.read(content, path)
        parts = []
        for index, item in enumerate(content):
            if item["type"] != "text":
                self._params.unsupported(f"{path}[{index}]")
            elif item["text"]:
                parts.append({"text": item["text"]})
        return parts

    def _part(self, item: Mapping[str, Any], path: str) -> Part | None:
        kind = item["type"]
        if kind in ("text", "refusal"):
            text = item[kind]
            return {"text": text} if text else None
        if not isinstance(item.get(kind), Mapping):  # what a model said is not checked before
            self._params.unsupported(path)
            return None
        if kind == "image_url":
            return self._image(item["image_url"], f"{path}.image_url")
        if kind == "input_audio":
            return self._audio(item["input_audio"], f"{path}.input_audio")
        if kind == "file":
            return self._file(item["file"], f"{path}.file")
        self._params.unsupported(path)
        return None

    def _image(self, image: Mapping[str, Any], path: str) -> Part | None:
        if image.get("detail") not in (None, "auto"):
            self._dropped.append(f"{path}.detail")  # it changes the price more than the response
        url = image.get("url")
        if not isinstance(url, str):
            self._params.unsupported(f"{path}.url")
            return None
        if url[:5].lower() == "data:":
            return _inline(url, f"{path}.url")
        scheme = url.partition(":")[0].lower()
        if scheme == "gs" or (scheme == "https" and self._traits.fetches_urls):
            return _linked(url)
        self._params.unsupported(f"{path}.url")
        return None

    def _audio(self, audio: Mapping[str, Any], path: str) -> Part | None:
        kind = audio["format"]
        if kind not in _AUDIO:
            self._params.unsupported(f"{path}.format")
            return None
        return {"inlineData": {"mimeType": f"audio/{kind}", "data": audio["data"]}}

    def _file(self, file: Mapping[str, Any], path: str) -> Part | None:
        data = file.get("file_data")
        if not data:  # a file_id is one of OpenAI's own store
            self._params.unsupported(f"{path}.file_id" if file.get("file_id") else path)
            return None
        if data[:5].lower() == "data:":
            return _inline(data, f"{path}.file_data")
        mime_type = _mime_type(file.get("filename") or "")
        if mime_type is None:
            raise cannot(
                "The kind of the file is unknown: send a data URL, or a filename with a known "
                "extension.",
                f"{path}.file_data",
            )
        return {"inlineData": {"mimeType": mime_type, "data": data}}


def _inline(url: str, path: str) -> Part:
    """A `data:` URL, https://www.rfc-editor.org/rfc/rfc2397."""
    head, comma, data = url.partition(",")
    mime_type, *options = head[5:].split(";")
    if not comma or not data or not mime_type or "base64" not in options:
        raise cannot("Expected a data URL with a media type and base64 data.", path)
    mime_type = mime_type.lower()
    mime_type = sniffed_type(data) or _CORRECTED.get(mime_type, mime_type)
    return {"inlineData": {"mimeType": mime_type, "data": data}}


def _linked(url: str) -> Part:
    """An address; its media type only where its path shows it, never guessed."""
    file: Part = {"fileUri": url}
    mime_type = _mime_type(url.partition("?")[0].partition("#")[0])
    if mime_type:
        file["mimeType"] = mime_type
    return {"fileData": file}


def _mime_type(name: str) -> str | None:
    return _MIME_TYPES.get(name.rpartition(".")[2].lower())
