"""A start that cannot open one of its files ends with one line that names it."""

import socket
import subprocess
import sys

import pytest

from ..support import DEADLINE

pytestmark = pytest.mark.sqlite_suffices

ROUTER_TOML = """
[server]
port = 0
[providers.echo]
type = "echo"
"""


def check(ended, *words):
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 2  # a faulty file is named, and how many faults it has
    assert all(word in ended.stderr for word in words), ended.stderr


@pytest.mark.parametrize(
    ("taken", "is_folder", "named"),
    [
        ("data", False, "data"),
        ("data/router.db", True, "data/router.db"),
        ("data/router.db.lock", True, "router.db.lock"),
        ("data/router.db.journal", False, "router.db.journal"),
    ],
)
def test_something_else_is_where_a_file_belongs(router_project, taken, is_folder, named):
    project = router_project({"router.toml": ROUTER_TOML})
    path = project.folder / taken
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if is_folder else path.write_text("x")
    check(project.cli("serve"), named)


@pytest.mark.parametrize("table", ["database]\npath = ", "ledger]\njournal = "])
@pytest.mark.parametrize("place", ["/proc/none/x", "/sys/x", "/dev/null/x"])
def test_a_file_system_that_takes_no_files(router_project, table, place):
    project = router_project({"router.toml": f'{ROUTER_TOML}[{table}"{place}"\n'})
    check(project.cli("serve"), place.rpartition("/")[0])


def test_a_disk_without_room(router_project):
    project = router_project({"router.toml": ROUTER_TOML})
    command = f"ulimit -f 0; exec {sys.executable} -m tornado_router.cli serve"
    ended = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=project.folder,
        env=project.env({}),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    check(ended, "router.db")


@pytest.mark.parametrize("name", ["cert.pem", "key.pem"])
def test_a_certificate_that_is_a_folder(router_project, name):
    text = ROUTER_TOML.replace(
        "port = 0", 'port = 0\ntls_certificate = "cert.pem"\ntls_key = "key.pem"'
    )
    project = router_project({"router.toml": text})
    for other in ("cert.pem", "key.pem"):
        (project.folder / other).mkdir() if other == name else (project.folder / other).touch()
    ended = project.cli("serve")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "cert.pem" in ended.stderr


@pytest.mark.parametrize(
    ("name", "content"), [("router.toml", None), ("router.toml", b"\xff"), (".env", b"A=\xff")]
)
def test_a_configuration_that_cannot_be_read(router_project, name, content):
    project = router_project({"router.toml": ROUTER_TOML})
    path = project.folder / name
    path.unlink(missing_ok=True)
    path.mkdir() if content is None else path.write_bytes(content)
    ended = project.cli("serve")
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    assert name in ended.stderr


def test_all_that_the_router_makes_is_its_users_alone(router_project):
    project = router_project({"router.toml": ROUTER_TOML})
    router = project.serve()
    hello = {"model": "echo/echo", "messages": [{"role": "user", "content": "hello"}]}
    assert router.post(hello, x_request_id="mine").status == 200
    router.usage("mine")
    made = [project.folder / "data", *(project.folder / "data").rglob("*")]
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in made if path.exists()}
    assert {"router.db", "router.db-wal", "router.db.lock", "router.db.journal"} <= modes.keys()
    for path in made:
        assert modes[path.name] == ("0o700" if path.is_dir() else "0o600"), path
    router.stop()
    assert project.cli("check", "--production").stderr.count("chmod o=") == 0
    (project.folder / "data" / "router.db").chmod(0o644)
    (project.folder / "data" / "router.db.journal").chmod(0o755)
    told = project.cli("check", "--production").stderr
    assert told.count("is open to every user of the machine: chmod o=") == 2


def test_the_command_on_the_machine_sees_all_of_health_without_a_key(router_project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    project = router_project({"router.toml": ROUTER_TOML.replace("port = 0", f"port = {port}")})
    router = project.serve()
    assert "\nprovider echo (echo): on\n" in project.cli("health").stdout
    elsewhere = project.cli("health", "--url", router.origin).stdout
    assert elsewhere.endswith("are shown to administrators: give --key\n")
    assert "echo" not in elsewhere
