"""Uploaded files: in memory or on disk, they read the same."""

import threading

import pytest

from tornado_router.provider import CallFile, files

DATA = bytes(range(256)) * 40


def written(memory_bytes, pieces=(DATA[:3000], DATA[3000:])):
    file = CallFile("file", "a.mp3", "audio/mpeg", memory_bytes=memory_bytes)
    for piece in pieces:
        file.write(piece)
    return file


@pytest.fixture(params=[len(DATA), 100, 0], ids=["in memory", "on disk", "on disk at once"])
def file(request):
    file = written(request.param)
    yield file
    file.close()


def test_a_file_is_what_was_written(file):
    assert (file.field, file.name, file.content_type) == ("file", "a.mp3", "audio/mpeg")
    assert file.size == len(DATA)
    assert file.read() == DATA


def test_its_pieces_are_all_of_it(file, monkeypatch):
    monkeypatch.setattr(files, "READ_BYTES", 1000)
    pieces = list(file.pieces())
    assert (b"".join(pieces), max(map(len, pieces))) == (DATA, 1000)
    assert file.part(len(DATA) - 3, 10) == DATA[-3:]


def test_it_is_read_again_and_again(file):
    assert [file.read() for _ in range(3)] == [DATA] * 3


def test_readers_do_not_disturb_each_other(file):
    with file.open() as one, file.open() as other:
        assert one.read(1000) == DATA[:1000]
        assert other.read(10) == DATA[:10]
        assert one.read() == DATA[1000:]
        assert other.read() == DATA[10:]


def test_threads_may_read_it_at_once(file):
    results = []

    def read():
        with file.open() as reader:
            results.append(b"".join(iter(lambda: reader.read(97), b"")))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [DATA] * 4


def test_a_small_file_needs_no_disk():
    assert not written(len(DATA)).on_disk
    large = written(len(DATA) - 1)
    assert large.on_disk
    large.close()


def test_an_empty_file():
    file = CallFile("file", "empty")
    assert (file.size, file.read(), file.content_type) == (0, b"", "application/octet-stream")


def test_a_closed_file_cannot_be_used(file):
    file.close()
    file.close()
    with pytest.raises(ValueError, match="the call is over"):
        file.open()
    with pytest.raises(ValueError, match="the call is over"):
        file.write(b"x")


def test_neither_its_name_nor_its_content_is_in_a_repr():
    file = CallFile("file", "diary.txt")
    file.write(b"dear diary")
    assert "diary" not in repr(file)
