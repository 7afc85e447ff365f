"""Blocks of a message's content as the parts that chat completions have: text, images, files.

https://platform.claude.com/docs/en/build-with-claude/vision and
https://platform.claude.com/docs/en/build-with-claude/pdf-support say what there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tornado_router.provider import Call, Params

Block = Mapping[str, Any]
Part = dict[str, Any]

BETWEEN = "\n\n"
"""What stands between two blocks of text that become one: they are paragraphs of a prompt."""

_MARK = "cache_control"
_PDF = "document.pdf"
"""The name of a file that has none: chat completions want one."""


class Blocks:
    """Reads blocks; what chat completions lack is reported, or refused as the operator wishes.

    Args:
        call: whose blocks they are.
        params: takes note of what cannot be carried.
    """

    __slots__ = ("_dropped", "_params", "_takes_marks", "_told")

    def __init__(self, call: Call, params: Params) -> None:
        self._dropped = call.dropped
        self._told = set(call.dropped)
        self._params = params
        self._takes_marks = call.takes_cache_marks

    def tell(self, name: str) -> None:
        """Reports, once, a kind of thing that is left out and changes nothing."""
        if name not in self._told:
            self._told.add(name)
            self._dropped.append(name)

    def approximate(self, name: str) -> None:
        """Reports, once, a kind of thing that is done by what comes nearest.

        Raises:
            ProviderError: the operator wants nothing approximated.
        """
        if name not in self._told:
            self._told.add(name)
            self._params.approximate(name)

    def parts(self, content: object, path: str) -> list[Part]:
        """The parts of what a user says, or of a tool's result. Text of blanks is left out.

        Args:
            content: a string, or blocks.
            path: of the content.

        Raises:
            ProviderError: something is asked for that chat completions lack.
        """
        if isinstance(content, str):
            return [_text(content)] if content and not content.isspace() else []
        parts: list[Part] = []
        if isinstance(content, Sequence):
            for index, block in enumerate(content):
                parts += self.block(block, f"{path}[{index}]")
        return parts

    def block(self, block: Block, path: str) -> list[Part]:
        """The parts of one block. Raises as `parts`."""
        if block["type"] != "text":
            parts = self._other(block, path)
        else:
            text = block["text"]
            parts = [{"type": "text", "text": text}] if text and not text.isspace() else []
        mark = self.mark(block)
        if mark and parts:
            parts[-1][_MARK] = mark
        return parts

    def mark(self, block: Block) -> Any:
        """The mark of a block behind which the prompt is cached; else None.

        It is reported if the provider does not know what to do with one.
        """
        mark = block.get(_MARK)
        if mark and not self._takes_marks:
            self.tell(_MARK)
        return mark if self._takes_marks else None

    def content(self, parts: Sequence[Part]) -> str | list[Part]:
        """The content of a message: one text if there is nothing else, as every vendor takes it.

        Some take no list of parts, above all in system messages and in results of tools. Where
        marks are sent, it is always a list: a mark moves on from turn to turn, and the message that
        it leaves has to stay the same to the byte.
        """
        return list(parts) if self._takes_marks else joined(parts)

    def text(self, text: str, mark: Any = None) -> str | list[Part]:
        """The content of a message that says one text, with the mark behind it."""
        part = _text(text)
        if mark:
            part[_MARK] = mark
        return self.content([part])

    def _other(self, block: Block, path: str) -> list[Part]:
        """The parts of a block that is not text."""
        kind = block["type"]
        match kind:
            case "image":
                return self._image(block.get("source") or {}, path)
            case "document":
                return self._document(block, path)
            case "search_result":
                return [_text(_search_result(block))]
            case "tool_reference":  # of a search for tools: all of them are there anyway
                return [_text(str(block.get("tool_name")))]
            case "tool_addition" | "tool_removal":
                self.approximate(f"messages.{kind}")
                return []
            case "compaction":
                content = block.get("content")
                return [_text(content)] if content else []
        text = block.get("text")
        if isinstance(text, str):
            return [_text(text)] if text else []
        self._params.unsupported(path)
        return []

    def _image(self, source: Mapping[str, Any], path: str) -> list[Part]:
        match source:
            case {"type": "base64", "media_type": str(media_type), "data": str(data)}:
                url = f"data:{media_type};base64,{data}"
            case {"type": "url", "url": str(url)}:
                pass
            case _:  # a file in Anthropic's own store
                self._params.unsupported(f"{path}.source")
                return []
        return [{"type": "image_url", "image_url": {"url": url}}]

    def _document(self, block: Block, path: str) -> list[Part]:
        """A document: a PDF stays a file, text becomes text, both with what is said of them."""
        citations = block.get("citations")
        if citations and citations.get("enabled"):
            self.approximate("messages.citations")
        said = [block[name] for name in ("title", "context") if block.get(name)]
        source = block.get("source") or {}
        match source:
            case {"type": "base64", "media_type": str(media_type), "data": str(data)}:
                name = block.get("title") or _PDF
                file = {"filename": name, "file_data": f"data:{media_type};base64,{data}"}
                context = [_text(block["context"])] if block.get("context") else []
                return [*context, {"type": "file", "file": file}]
            case {"type": "text", "data": str(text)}:
                return [_text(BETWEEN.join([*said, text]))]
            case {"type": "content", "content": content}:
                return [*map(_text, said), *self.parts(content, f"{path}.source.content")]
        self._params.unsupported(f"{path}.source")
        return []


def joined(parts: Sequence[Part]) -> str | list[Part]:
    """Parts as one text if there is nothing else in them."""
    if all(part["type"] == "text" for part in parts):
        return BETWEEN.join([part["text"] for part in parts])
    return list(parts)


def _text(text: str) -> Part:
    return {"type": "text", "text": text}


def _search_result(block: Block) -> str:
    """https://platform.claude.com/docs/en/build-with-claude/search-results."""
    head = [str(block[name]) for name in ("title", "source") if block.get(name)]
    texts = [item["text"] for item in block.get("content") or () if item.get("text")]
    return BETWEEN.join(["\n".join(head), *texts])
