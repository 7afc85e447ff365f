"""How long sounds are: as their files say, each in its own way, or by their size."""

import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.endpoints import audio_length
from tornado_router.endpoints.audio_length import known_seconds, likely_seconds, most_seconds
from tornado_router.provider import CallFile


def file(data):
    made = CallFile("file", "sound", memory_bytes=30_000_000)
    made.write(data)
    return made


def wav(seconds, rate=8000):
    data = io.BytesIO()
    with wave.open(data, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(2 * rate * seconds))
    return data.getvalue()


def listed_wav():
    """With a chunk of an odd length before the sound, and an end that was not known yet."""
    whole = bytearray(wav(3))
    whole[40:44] = b"\xff\xff\xff\xff"
    return bytes(whole[:36] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + whole[36:])


def flac(seconds, rate=44_100):
    packed = rate << 44 | 1 << 41 | 15 << 36 | rate * seconds
    return b"fLaC\x00\x00\x00\x22" + bytes(10) + struct.pack(">Q", packed) + bytes(60_000)


def ogg(seconds, kind=b"OpusHead", rate=48_000):
    page = b"OggS\x00\x02" + bytes(8) + bytes(14) + kind + struct.pack("<IBI", 0, 1, rate)
    return page + bytes(90_000) + b"OggS\x00\x04" + struct.pack("<q", rate * seconds) + bytes(500)


def box(name, data):
    return struct.pack(">I4s", 8 + len(data), name) + data


def mp4(seconds, long=False):
    if long:
        head = struct.pack(">B3xQQIQ", 1, 0, 0, 600, 600 * seconds)
    else:
        head = struct.pack(">B3xIIII", 0, 0, 0, 1000, 1000 * seconds)
    media = struct.pack(">I4sQ", 1, b"mdat", 16 + 50_000) + bytes(50_000)
    moov = box(b"moov", box(b"mvhd", head + bytes(40)))
    return box(b"ftyp", b"M4A \0\0\0\0") + media + moov


def mp3(seconds, tag=0):
    """64 kbit/s of version 1, layer 3, at 44,100 Hz."""
    size = bytes((tag >> shift & 0x7F) for shift in (21, 14, 7, 0))
    head = b"ID3\x04\x00\x00" + size + bytes(tag) if tag else b""
    return head + b"\xff\xfb\x50\x00" + bytes(8000 * seconds - 4)


def xing(frames):
    """A varying rate, with the number of frames in the first."""
    return b"\xff\xfb\x90\x00" + bytes(32) + b"Xing" + struct.pack(">II", 1, frames) + bytes(50_000)


def webm(seconds, form=">d"):
    size = b"\x88" if form == ">d" else b"\x84"
    ticks = struct.pack(form, seconds * 1000)
    return b"\x1aE\xdf\xa3" + bytes(30) + b"\x2a\xd7\xb1\x83\x0f\x42\x40\x44\x89" + size + ticks


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (wav(3), 3),
        (wav(2, 24_000), 2),
        (listed_wav(), 3),
        (flac(90), 90),
        (ogg(100), 100),
        (ogg(100, b"\x01vorbis", 44_100), 100),
        (mp4(70), 70),
        (mp4(70, long=True), 70),
        (mp3(20), 20),
        (mp3(20, tag=3000), 20),
        (xing(1000), 1000 * 1152 / 44_100),
        (webm(9) + bytes(10_000), 9),
        (webm(9, ">f") + bytes(10_000), 9),
    ],
    ids=range(13),
)
def test_files_say_how_long_they_are(data, seconds):
    made = file(data)
    assert known_seconds(made) == pytest.approx(seconds, rel=1e-3)
    assert likely_seconds(made) == most_seconds(made) == known_seconds(made)


@pytest.mark.parametrize(
    "data", [b"", b"x" * 16_000, b"RIFF", b"fLaC", b"\x1aE\xdf\xa3" + bytes(15_996)], ids=range(5)
)
def test_others_are_as_long_as_their_size_suggests(data):
    made = file(data)
    assert known_seconds(made) is None
    assert likely_seconds(made) == len(data) / audio_length.TYPICAL_BYTES
    assert most_seconds(made) == len(data) / audio_length.LEAST_BYTES


def test_a_file_on_disk_says_it_too():
    made = CallFile("file", "sound", memory_bytes=1000)
    made.write(mp4(70))
    assert (made.on_disk, known_seconds(made)) == (True, 70)
    made.close()


def test_a_file_that_makes_itself_out_as_shorter_is_not_believed():
    made = file(mp4(1) + bytes(20_000_000))
    assert known_seconds(made) == made.size / audio_length.MOST_BYTES > 20


@pytest.mark.parametrize("seconds", [0, 700_000])
def test_what_no_file_can_hold_is_not_believed(seconds):
    assert known_seconds(file(flac(seconds))) is None


@given(
    st.sampled_from([wav(1), flac(9), ogg(9), mp4(9), mp3(1, 20), xing(9), webm(9)]),
    st.integers(0, 400),
    st.binary(max_size=20),
    st.integers(0, 400),
)
def test_files_that_are_cut_or_odd_are_no_crash(data, at, odd, end):
    made = file((data[:at] + odd + data[at + len(odd) :])[: len(data) - end])
    assert 0 <= likely_seconds(made) <= made.size
    assert most_seconds(made) <= made.size
