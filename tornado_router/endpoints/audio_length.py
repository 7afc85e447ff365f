"""How long a sound is, by the head of its file: what vendors bill, and few say beforehand."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import reduce

from tornado_router.provider import CallFile

TYPICAL_BYTES = 8_000
"""Of a second, of a file that does not say how long it is: 64 kbit/s, as speech is often kept."""

LEAST_BYTES = 2_000
"""Of a second of one that is as long as its size allows: 16 kbit/s, as calls and notes are sent."""

MOST_BYTES = 768_000
"""Of a second, whatever a file says of itself: two channels at 96 kHz, 32 bits."""

_HEAD = 64 * 1024
_TAIL = 64 * 1024
_BOXES = 64
"""So many boxes or chunks of a file are looked at."""

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Samples a second of MP3, by its version: 1, 2, 2.5."""

_BITRATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s of MP3, by whether it is of version 1, and by its layer."""


def known_seconds(file: CallFile) -> float | None:
    """The length of a sound in WAV, FLAC, Ogg, MP4, MP3 or WebM, as its file says; else None.

    The client may have written anything there, so it is no less than what so many bytes may be.
    """
    for read in _READERS:
        try:
            seconds = read(file)
        except (struct.error, ZeroDivisionError, IndexError):
            continue
        if seconds is not None and 0 < seconds < file.size:  # a byte of each second at least
            return max(seconds, file.size / MOST_BYTES)
    return None


def likely_seconds(file: CallFile) -> float:
    """The length of a sound, or what it may well be."""
    return known_seconds(file) or file.size / TYPICAL_BYTES


def most_seconds(file: CallFile) -> float:
    """The length of a sound, or what it is at most."""
    return known_seconds(file) or file.size / LEAST_BYTES


def _wav(file: CallFile) -> float | None:
    if file.part(0, 4) not in (b"RIFF", b"RF64") or file.part(8, 4) != b"WAVE":
        return None
    position, bytes_a_second = 12, 0
    for _ in range(_BOXES):
        name, size = struct.unpack("<4sI", file.part(position, 8))
        position += 8
        if name == b"fmt ":
            (bytes_a_second,) = struct.unpack("<I", file.part(position + 8, 4))
        elif name == b"data":
            return float(min(size, file.size - position) / bytes_a_second)
        position += size + size % 2
    return None


def _flac(file: CallFile) -> float | None:
    if file.part(0, 4) != b"fLaC":
        return None
    (packed,) = struct.unpack(">Q", file.part(18, 8))
    return float((packed & 0xF_FFFF_FFFF) / (packed >> 44))


def _ogg(file: CallFile) -> float | None:
    head = file.part(0, _HEAD)
    if not head.startswith(b"OggS"):
        return None
    tail = file.part(max(0, file.size - _TAIL), _TAIL)
    last = tail.rfind(b"OggS")
    (position,) = struct.unpack("<q", tail[last + 6 : last + 14])
    vorbis = head.find(b"\x01vorbis")
    rate = 48_000 if vorbis < 0 else struct.unpack("<I", head[vorbis + 12 : vorbis + 16])[0]
    return float(position / rate)


def _mp4(file: CallFile) -> float | None:
    if file.part(4, 4) != b"ftyp":
        return None
    for name, position in _boxes(file, 0):
        if name == b"moov":
            for inner, start in _boxes(file, position):
                if inner == b"mvhd":
                    return _mvhd(file.part(start, 32))
    return None


def _boxes(file: CallFile, position: int) -> Iterator[tuple[bytes, int]]:
    """The boxes from a place on, each by its name and where its content begins."""
    for _ in range(_BOXES):
        size, name = struct.unpack(">I4s", file.part(position, 8))
        head = 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.part(position + 8, 8))
            head = 16
        yield name, position + head
        if size < head:
            return
        position += size


def _mvhd(data: bytes) -> float:
    form, start = (">IQ", 20) if data[0] == 1 else (">II", 12)
    scale, length = struct.unpack_from(form, data, start)
    return float(length / scale)


def _webm(file: CallFile) -> float | None:
    head = file.part(0, 4096)
    if not head.startswith(b"\x1aE\xdf\xa3"):
        return None
    at, scale_at = head.find(b"\x44\x89"), head.find(b"\x2a\xd7\xb1\x83")
    if at < 0:
        return None  # a recorder that wrote it as it went
    form = {0x84: ">f", 0x88: ">d"}.get(head[at + 2])
    if form is None:
        return None
    scale = int.from_bytes(head[scale_at + 4 : scale_at + 7]) if scale_at >= 0 else 1_000_000
    (ticks,) = struct.unpack_from(form, head, at + 3)
    return float(ticks * scale / 1e9)


def _mp3(file: CallFile) -> float | None:
    start = 0
    tag = file.part(0, 10)
    if tag.startswith(b"ID3"):
        start = 10 + reduce(lambda size, byte: size << 7 | byte & 0x7F, tag[6:10], 0)
    head = file.part(start, 4096)
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    index = head[2] >> 4
    if version not in _RATES or (version == 3, layer) not in _BITRATES or not 0 < index < 15:
        return None
    rate, kbits = _RATES[version][head[2] >> 2 & 3], _BITRATES[version == 3, layer][index - 1]
    for mark in (b"Xing", b"Info"):
        at = head.find(mark, 4, 64)
        if at >= 0 and head[at + 7] & 1:  # it has the number of frames
            (frames,) = struct.unpack_from(">I", head, at + 8)
            return float(frames * (1152 if version == 3 or layer == 2 else 576) / rate)
    return float((file.size - start) * 8 / (kbits * 1000))


_READERS: tuple[Callable[[CallFile], float | None], ...] = (_wav, _flac, _ogg, _mp4, _webm, _mp3)
