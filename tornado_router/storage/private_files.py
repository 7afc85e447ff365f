"""Folders and files for the router's own user alone, whatever the umask is."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, unless they are there.

    Raises:
        OSError: it cannot be made.
    """
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)


def make_file(path: Path) -> None:
    """Makes an empty file in a folder that is made, too, unless it is there.

    Raises:
        OSError: it cannot be made.
    """
    make_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    except FileExistsError:
        return
    os.close(descriptor)


def kept_token(path: Path) -> str:
    """A random text in a file, which is made unless it is there, however many do so at once.

    By the text, an operator shows that they can read the file.

    Raises:
        OSError: it can neither be read nor made.
    """
    make_folder(path.parent)
    if not path.exists():
        new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        make_file(new)
        new.write_text(secrets.token_hex(32))
        with suppress(FileExistsError):
            path.hardlink_to(new)  # whole, and not in the place of another's
        new.unlink()
    return path.read_text()
