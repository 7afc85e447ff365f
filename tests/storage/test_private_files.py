"""Folders and files that only the router's own user can read."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tornado_router.storage.private_files import kept_token, make_file, make_folder


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path):
    return path.stat().st_mode & 0o777


def test_whatever_the_umask_is(tmp_path, umask):
    make_file(tmp_path / "a" / "b" / "file")
    kept_token(tmp_path / "c" / "token")
    for folder in ("a", "a/b", "c"):
        assert mode(tmp_path / folder) == 0o700
    for file in ("a/b/file", "c/token"):
        assert mode(tmp_path / file) == 0o600


def test_what_is_there_stays_as_it_is(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("kept")
    (tmp_path / "file").chmod(0o640)
    make_file(tmp_path / "file")
    make_folder(tmp_path)
    assert (mode(tmp_path), mode(tmp_path / "file")) == (0o755, 0o640)
    assert (tmp_path / "file").read_text() == "kept"


def test_something_else_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="a"):
        make_file(tmp_path / "a" / "file")


def test_a_token_is_the_same_for_all(tmp_path):
    path = tmp_path / "folder" / "token"
    with ThreadPoolExecutor(8) as threads:
        tokens = set(threads.map(kept_token, [path] * 50))
    assert tokens == {path.read_text()}
    assert len(path.read_text()) == 64
    assert [item.name for item in path.parent.iterdir()] == ["token"]
