"""The file by which a router is found: held while it lives, and worth nothing afterwards."""

import os
import signal

import pytest

from tornado_router.runtime.pid_file import PidFileError, pid_file, running

from ..support import poll

ECHO = '[log]\nformat = "json"\n[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'


def test_it_is_held_while_a_process_serves(tmp_path):
    path = tmp_path / "run" / "router.pid"
    assert running(path) is None
    with pid_file(path):
        assert running(path) == os.getpid()
        with pytest.raises(PidFileError, match="another router holds"), pid_file(path):
            pass
    assert running(path) is None
    with pid_file(path):
        assert running(path) == os.getpid()


def test_a_number_that_was_left_behind_is_not_a_router(tmp_path):
    path = tmp_path / "router.pid"
    path.write_text(f"{os.getpid()}\n")
    assert running(path) is None


def test_without_a_path_there_is_none():
    with pid_file(None):
        pass


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PidFileError, match="cannot be written"), pid_file(tmp_path / "file" / "x"):
        pass


@pytest.mark.sqlite_suffices
def test_the_command_reloads_the_router_of_its_file(router_project):
    text = f'[server]\nport = 0\npid_file = "router.pid"\n{ECHO}'
    project = router_project({"router.toml": text, "other.toml": ECHO})
    assert "no router serves it" in project.cli("reload").stderr
    router, others = project.serve(), project.cli("reload", "other.toml")
    assert "has no `pid_file`" in others.stderr
    (project.folder / "router.toml").write_text(text.replace('["echo"]', '["echo", "two"]'))
    asked = project.cli("reload")
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout.startswith(f"asked process {router.process.pid} to load router.toml")
    poll(lambda: "loaded router.toml" in router.stderr)
    (project.folder / "router.toml").write_text(text + "[nonsense]\n")
    faulty = project.cli("reload")
    assert faulty.returncode == 1
    assert "nonsense: unknown key" in faulty.stderr
    router.send(signal.SIGKILL)
    router.wait()
    (project.folder / "router.toml").write_text(text)
    assert "no router serves it" in project.cli("reload").stderr
