"""`tornado-router db`, and a router that serves on PostgreSQL."""

import json
import signal
import subprocess
import sys

import pytest

from tornado_router.ledger import codec
from tornado_router.storage.migrator import FOLDER

from ..ledger.books import call
from ..place import Place
from ..postgres import own_postgres, postgres_server
from ..servers import redis_server
from ..support import poll

ECHO = """
[server]
port = 0
[log]
format = "json"
[providers.echo]
type = "echo"
models = ["echo"]
"""
MIGRATIONS = sorted(path.stem for path in FOLDER.glob("0*.py"))
SECRET = "the secret of a test, long enough for one"
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture
def project(router_project):
    return router_project({"router.toml": ECHO})


def with_url(project, url):
    (project.folder / "router.toml").write_text(f'{ECHO}\n[database]\nurl = "{url}"\n')


@pytest.mark.sqlite
def test_status_before_and_after(project, server):
    ended = project.cli("db", "status")
    assert (ended.returncode, ended.stderr) == (1, "data/router.db: there is no such file\n")
    with_url(project, server.create())
    ended = project.cli("db", "status")
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[2].split() == ["0001_initial", "no"]
    steps = json.loads(project.cli("db", "status", "--json").stdout)
    assert steps[0] == {"migration": "0001_initial", "applied": None}
    ended = project.cli("db", "migrate")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "applied 0001_initial\n" in ended.stdout
    assert project.cli("db", "migrate").stdout.count("\n") == 1
    ended = project.cli("db", "status")
    assert (ended.returncode, " no\n" in ended.stdout) == (0, False)


def test_back_to_an_older_version_and_forth(project):
    router = project.serve()
    assert router.post(HELLO).status == 200
    refused = project.cli("db", "rollback", "--to", "0002_accounts_and_limits", "--yes")
    assert (refused.returncode, "a router serves it; stop it first" in refused.stderr) == (1, True)
    assert router.stop() == 0
    asked = project.cli("db", "rollback", "--to", "0002_accounts_and_limits", input="n\n")
    assert (asked.returncode, "Undo 00" in asked.stdout) == (1, True)
    done = project.cli("db", "rollback", "--to", "0002_accounts_and_limits", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "undid 0003_kept_answers_and_requests\n" in done.stdout
    assert done.stdout.endswith("its last migration is 0002_accounts_and_limits\n")
    assert project.cli("db", "status").returncode == 1
    assert project.cli("db", "migrate").returncode == 0
    again = project.serve()
    again.key = router.key
    assert again.post(HELLO).status == 200
    assert again.stop() == 0
    assert len(again.usage_rows()) == 2


@pytest.mark.sqlite
def test_a_router_does_not_serve_what_nobody_migrated(project, server):
    url = server.create()
    with_url(project, url)
    ended = project.cli("serve")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "run: tornado-router db migrate" in ended.stderr
    assert Place(url).tables() == set()


@pytest.mark.sqlite
def test_replicas_that_migrate_at_once(project, server):
    with_url(project, server.create())
    starts = [
        subprocess.Popen(
            [sys.executable, "-m", "tornado_router.cli", "db", "migrate"],
            cwd=project.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    ends = [(*start.communicate(), start.returncode) for start in starts]
    assert [code for *_, code in ends] == [0] * 4, ends
    assert sum(told.count("applied") for told, *_ in ends) == len(MIGRATIONS)


@pytest.mark.sqlite
def test_moving_to_postgresql(project, server):
    before = project.serve()
    assert before.post(HELLO).status == 200
    refused = project.cli("db", "copy", "data/router.db")
    assert refused.returncode == 1
    assert "set `url` in [database]" in refused.stderr
    url = server.create()
    with_url(project, url)
    refused = project.cli("db", "copy", "data/router.db")
    assert refused.returncode == 1
    assert "a router serves it; stop it first" in refused.stderr
    assert before.stop() == 0

    copied = project.cli("db", "copy", "data/router.db")
    assert (copied.returncode, copied.stderr) == (0, "")
    assert ["usage_logs", "1"] in [line.split() for line in copied.stdout.splitlines()]
    again = project.cli("db", "copy", "data/router.db")
    assert "the table users of the target is not empty" in again.stderr

    project.url = url
    after = project.serve()
    after.key = before.key
    assert after.post(HELLO).status == 200
    assert after.stop() == 0
    assert [row["id"] for row in after.usage_rows()] == [1, 2]


@pytest.mark.sqlite
def test_a_router_that_shares_its_file_is_in_the_way_of_a_copy_too(project, server, tmp_path):
    with redis_server(tmp_path) as (_, port):
        redis = f'[redis]\nhost = "127.0.0.1"\nport = {port}\n[auth]\njwt_secret = "{SECRET}"\n'
        (project.folder / "router.toml").write_text(ECHO + redis)
        router, other = project.serve(), project.serve()
        with_url(project, server.create())
        for each in (router, other):
            refused = project.cli("db", "copy", "data/router.db")
            assert "a router serves it; stop it first" in refused.stderr
            assert each.stop() == 0
    assert project.cli("db", "copy", "data/router.db").returncode == 0


@pytest.mark.sqlite
def test_what_cannot_be_copied_is_said_in_a_line(project, server):
    assert project.cli("keys", "create", "--name", "a").returncode == 0
    with_url(project, server.create())
    Place(project.folder / "data" / "router.db").ask("UPDATE api_keys SET rate_limit_rpm = 'many'")
    refused = project.cli("db", "copy", "data/router.db")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "data/router.db: the table api_keys has 'many' in the column" in refused.stderr


@pytest.mark.sqlite
def test_nobody_is_told_a_password(project):
    with_url(project, "postgresql://me:canary-password@127.0.0.1:1/name")
    for command in (["serve"], ["db", "status"], ["db", "migrate"], ["users", "list"]):
        ended = project.cli(*command)
        assert ended.returncode == 1
        assert len(ended.stderr.splitlines()) == 1, ended.stderr
        assert "postgresql://127.0.0.1:1/name" in ended.stderr
        assert "canary" not in ended.stderr + ended.stdout
    with_url(project, "postgresql://me:canary/canary@127.0.0.1:1/name")
    ended = project.cli("db", "status")
    assert "postgresql://127.0.0.1:1/name: a user or password" in ended.stderr
    assert "canary" not in ended.stderr + ended.stdout


def test_two_routers_without_redis_are_one_too_many(project):
    router = project.serve()
    second = project.cli("serve")
    assert second.returncode == 1
    assert "another router serves this database" in second.stderr
    assert router.stop() == 0


@pytest.mark.sqlite
def test_calls_go_on_while_the_database_is_away(project):
    with own_postgres() as own:
        with_url(project, own.url)
        project.url = own.url
        assert project.cli("db", "migrate").returncode == 0
        router = project.serve()
        assert router.post(HELLO).status == 200
        own.stop()
        for _ in range(10):
            assert router.post(HELLO).status == 200
        refused = router.post(HELLO, authorization="Bearer sk-tr-somebody-elses")
        assert (refused.status, refused.error["code"]) == (503, "database_away")
        assert int(refused.headers["Retry-After"]) >= 1
        router.expect_log("does not accept usage; .* in the journal: OperationalError")
        poll(lambda: "does not accept usage" in router.stderr)
        own.start()
        assert router.post(HELLO).status == 200
        assert router.stop() == 0
        assert len(router.usage_rows()) == 12


@pytest.mark.sqlite
def test_a_router_stops_though_the_database_is_frozen(project):
    with own_postgres() as own:
        with_url(project, own.url)
        project.url = own.url
        assert project.cli("db", "migrate").returncode == 0
        router = project.serve()
        assert router.post(HELLO).status == 200
        poll(router.usage_rows)
        own.freeze()
        try:
            assert router.post(HELLO).status == 200
            router.expect_log("shutdown timed out|the database does not accept usage")
            assert router.stop() == 0
        finally:
            own.thaw()
        project.serve()
        poll(lambda: len(router.usage_rows()) == 2)


@pytest.mark.sqlite
def test_a_backup_is_made_while_a_router_serves_and_put_back_when_none_does(project):
    router = project.serve()
    assert router.post(HELLO, x_request_id="before").status == 200
    router.usage("before")
    made = project.cli("db", "backup", "backup.db")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("backup.db: data/router.db as it is now, ")
    again = project.cli("db", "backup", "backup.db")
    assert (again.returncode, again.stderr) == (1, "backup.db: is there already\n")
    assert router.post(HELLO, x_request_id="after").status == 200
    router.usage("after")
    refused = project.cli("db", "restore", "backup.db")
    assert refused.returncode == 1
    assert "data/router.db: a router serves it; stop it first" in refused.stderr
    router.send(signal.SIGKILL)
    router.wait()
    done = project.cli("db", "restore", "backup.db")
    assert (done.returncode, done.stderr) == (0, "")
    former, restored = done.stdout.splitlines()
    assert restored == "data/router.db: restored from backup.db"
    aside = project.folder / former.removesuffix(": the former database")
    found = Place(aside).ask("SELECT request_id FROM usage_logs ORDER BY id")
    assert [row for (row,) in found] == ["before", "after"]
    key, router = router.key, project.serve()
    router.key = key
    assert [row["request_id"] for row in router.usage_rows()] == ["before"]
    assert router.post(HELLO, x_request_id="again").status == 200
    router.usage("again")
    assert [row["request_id"] for row in router.usage_rows()] == ["before", "again"]


@pytest.mark.sqlite
def test_backups_of_postgresql_are_made_by_its_own_tools(project):
    with_url(project, "postgresql://user@127.0.0.1:1/name")
    for command, instead in (("backup", "pg_dump"), ("restore", "pg_restore")):
        ended = project.cli("db", command, "backup.db")
        assert ended.returncode == 1
        assert f"the database is PostgreSQL: use {instead}" in ended.stderr


def test_records_of_a_damaged_file_are_shown(project):
    lines = [codec.HEADER, *(codec.encode_finished(call(number)) for number in (1, 2, 3))]
    content = bytearray(b"\n".join([*lines, b""]) + bytes(100))
    place = content.index(b"req_2")
    content[place] ^= 1
    (project.folder / "one.damaged").write_bytes(content)
    ended = project.cli("db", "journal", "one.damaged")
    assert ended.returncode == 1
    head, first, last, damaged = ended.stdout.splitlines()
    assert head.split() == ["BYTE", "RECORD", "CALL", "USER", "MODEL", "STATUS", "COST"]
    assert first.split()[1:4] == ["finished", "req_1", "1"]
    assert last.split()[1:4] == ["finished", "req_3", "1"]
    start = len(lines[0]) + len(lines[1]) + 2
    assert damaged.startswith(f"byte {start}: cannot be read: [2,")
    assert "client-2" in damaged
    ended = project.cli("db", "journal", "--json", "one.damaged")
    assert ended.returncode == 1
    found = json.loads(ended.stdout)
    assert [record["record"] for record in found] == ["finished", "damaged", "finished"]
    assert (found[0]["call"], found[0]["user"], found[2]["call"]) == ("req_1", 1, "req_3")
    assert found[1]["byte"] == start
    assert "client-2" in found[1]["data"]
    (project.folder / "well.journal").write_bytes(b"\n".join([*lines, b""]))
    assert project.cli("db", "journal", "well.journal").returncode == 0
