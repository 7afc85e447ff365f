"""Several workers behind one port: they share limits, are started again, replaced, and stop."""

import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from openai import OpenAI

from ..servers import own_redis
from ..support import VENDOR_KEY, poll

HELLO = {"model": "up/ok", "messages": [{"role": "user", "content": "hello out there"}]}

ROUTER_TOML = """
[server]
port = 0
workers = 2
pid_file = "router.pid"
[log]
format = "json"
[auth]
bcrypt_rounds = 4
jwt_secret = "the secret of a test, long enough for one"
[redis]
host = "127.0.0.1"
port = {port}
timeout = 5.0
[providers.up]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
[metrics]
public = true
[routes.old]
targets = ["up/ok"]
"""


def test_port_that_is_taken(router_project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = ROUTER_TOML.replace("port = 0", f"port = {port}", 1)
        text = text.format(port=1, key=VENDOR_KEY, upstream="http://127.0.0.1:1")
        ended = router_project({"router.toml": text}).cli("serve")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr


class Deployment:
    """A router with two workers."""

    def __init__(self, build, redis, upstream):
        self.text = ROUTER_TOML.format(port=redis.port, key=VENDOR_KEY, upstream=upstream.url)
        self.project = build({"router.toml": self.text})
        self.router = self.project.serve()

    def workers(self):
        """Their process ids."""
        pid = self.router.pid
        try:
            return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    def statuses(self, count, **fields):
        """Of so many calls, each on a connection of its own."""
        return [self.router.post({**HELLO, **fields}).status for _ in range(count)]

    def messages(self):
        return [line["message"] for line in self.router.log()]


@pytest.fixture
def deployment(router_project, upstream, tmp_path_factory):
    with own_redis(tmp_path_factory.mktemp("redis")) as redis:
        yield Deployment(router_project, redis, upstream)


@pytest.mark.sqlite_suffices
def test_a_second_router_does_not_share_the_port(deployment):
    port = int(deployment.router.origin.rpartition(":")[2])
    text = deployment.text.replace("port = 0", f"port = {port}", 1)
    text = text.replace('"router.pid"', '"second.pid"')
    (deployment.project.folder / "router.toml").write_text(text)
    second = deployment.project.cli("serve")
    assert (second.returncode, second.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in second.stderr
    assert deployment.statuses(4) == [200] * 4


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.sqlite_suffices
def test_without_redis_they_are_refused(router_project):
    project = router_project({"router.toml": "[server]\nworkers = 2\n"})
    for command in ("check", "serve"):
        done = project.cli(command)
        assert done.returncode == 1
        assert "server.workers: several workers share their limits in Redis" in done.stderr


def test_both_serve_and_a_limit_is_one_for_both(deployment):
    assert "2 workers\n" in deployment.router.stdout
    assert len(deployment.workers()) == 2
    made = deployment.project.cli("keys", "create", "--name", "k", "--rpm", "10")
    key = {"authorization": f"Bearer {made.stdout.strip()}"}
    statuses = [deployment.router.post(HELLO, **key).status for _ in range(14)]
    assert statuses[:10] == [200] * 10
    assert statuses.count(429) >= 3
    poll(lambda: len(deployment.router.usage_rows()) == 14)
    before = [_bytes_read(pid) for pid in deployment.workers()]
    deployment.statuses(60)
    poll(lambda: {line.get("worker") for line in deployment.router.log()} >= {0, 1})
    after = [_bytes_read(pid) for pid in deployment.workers()]
    assert min(b - a for a, b in zip(before, after, strict=True)) > 5000  # ten calls


@pytest.mark.sqlite_suffices
def test_a_worker_that_dies_is_started_again_and_nobody_is_refused(deployment):
    first, second = deployment.workers()
    deployment.router.expect_log(r"was killed \(signal 9\)")
    os.kill(first, signal.SIGKILL)
    assert set(deployment.statuses(30)) == {200}  # those that would be its wait for the next one
    poll(lambda: len(deployment.workers()) == 2)
    assert second in deployment.workers()
    assert first not in deployment.workers()


@pytest.mark.sqlite_suffices
def test_a_changed_file_reaches_all(deployment):
    assert set(deployment.statuses(10, model="old")) == {200}
    path = deployment.project.folder / "router.toml"
    path.write_text(deployment.text.replace("routes.old", "routes.new"))
    deployment.router.send(signal.SIGHUP)
    poll(lambda: deployment.messages().count("loaded router.toml") == 2)
    assert set(deployment.statuses(20, model="new")) == {200}
    assert set(deployment.statuses(20, model="old")) == {404}


def test_workers_are_replaced_and_no_call_notices(deployment, upstream):
    before, since = deployment.workers(), start_time(deployment)
    write(deployment, deployment.text.replace("workers = 2", "workers = 2\nmax_body_bytes = 2000"))
    # Some for each worker: the kernel chooses.
    streams = [stream(deployment, "up/gated") for _ in range(8)]
    poll(lambda: len(upstream.exchanges()) == 8)
    with calls(deployment) as outcomes:
        command = deployment.project.cli("restart")
        assert (command.returncode, command.stderr) == (0, "")
        poll(lambda: "worker 2 replaces worker 0" in deployment.messages())
        assert set(deployment.workers()) > set(before)  # the streams are not over
        upstream.step(20)
        poll(lambda: "all workers are replaced" in deployment.messages())
    assert [ended(connection) for connection in streams] == [b"data: [DONE]"] * 8
    assert len(outcomes) > 20
    assert set(outcomes) == {200}
    assert len(deployment.workers()) == 2
    assert set(deployment.workers()).isdisjoint(before)
    assert deployment.router.post({**HELLO, "user": "x" * 2000}).status == 413
    assert "tornado_router_worker_restarts_total 0.0" in metrics_text(deployment)
    assert start_time(deployment) == since  # or else the alert of a loop of restarts fires
    poll(lambda: served(deployment) == len(outcomes) + 8)


@pytest.mark.sqlite_suffices
def test_a_new_worker_that_cannot_start_replaces_none(deployment):
    before = deployment.workers()
    write(deployment, "[nonsense]\n")
    deployment.router.expect_log("the workers are not replaced: a new one ended with 1")
    deployment.router.expect_log("nonsense: unknown key")
    deployment.router.expect_log("1 fault")
    deployment.router.send(signal.SIGUSR2)
    poll(lambda: any("a new one ended with 1" in line for line in stderr(deployment)))
    assert deployment.workers() == before
    assert deployment.statuses(4) == [200] * 4


@pytest.mark.sqlite_suffices
def test_one_process_alone_is_not_replaced(router_project):
    text = '[server]\nport = 0\n[log]\nformat = "json"\n[providers.echo]\ntype = "echo"\n'
    project = router_project({"router.toml": text})
    router = project.serve()
    assert "nothing can replace" in project.cli("restart").stderr
    router.send(signal.SIGUSR2)
    poll(lambda: any("not replaced" in line["message"] for line in router.log()))
    assert router.health()["status"] == "ok"


@pytest.mark.sqlite_suffices
def test_they_stop_together_and_calls_that_run_are_served(deployment):
    answers = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(
                deployment.router.post({**HELLO, "model": "up/slow:1.0"}).status
            )
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    workers = deployment.workers()
    deployment.router.send(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert deployment.router.wait() == 0
    assert not any(map(is_alive, workers))
    assert len(deployment.router.usage_rows()) == 8


@pytest.mark.sqlite_suffices
def test_metrics_are_those_of_all_workers_also_of_one_that_died(deployment):
    deployment.statuses(20)
    poll(lambda: [served(deployment) for _ in range(8)] == [20] * 8)
    deployment.router.expect_log(r"was killed \(signal 9\)")
    files = metrics_files(deployment.workers()[1])
    os.kill(deployment.workers()[0], signal.SIGKILL)
    poll(lambda: any("was killed" in message for message in deployment.messages()))
    deployment.statuses(10)
    poll(lambda: [served(deployment) for _ in range(8)] == [30] * 8)
    poll(lambda: "tornado_router_calls_limit 2000.0" in metrics_text(deployment))
    assert "tornado_router_worker_restarts_total 1.0" in metrics_text(deployment)
    assert metrics_files(deployment.workers()[1]) == files


@pytest.mark.sqlite_suffices
def test_workers_do_not_outlive_the_one_that_watches_them(deployment):
    workers = deployment.workers()
    deployment.router.kill()
    poll(lambda: not any(map(is_alive, workers)))
    host, port = deployment.router.origin.removeprefix("http://").split(":")
    with closing(socket.socket()) as probe:
        assert probe.connect_ex((host, int(port))) != 0


@pytest.mark.sqlite_suffices
def test_a_worker_that_cannot_start_ends_all(deployment):
    """The file is right when the supervisor reads it, and wrong when the workers do."""
    deployment.router.stop()
    folder = deployment.project.folder
    (folder / "sitecustomize.py").write_text(
        "import os\nif 'TORNADO_ROUTER_WORKER' in os.environ:\n    os._exit(7)\n"
    )
    done = deployment.project.cli("serve", PYTHONPATH=str(folder))
    assert done.returncode == 7
    assert "serves on" not in done.stdout


@pytest.mark.sqlite_suffices
def test_health_answers_while_a_worker_is_away(deployment):
    deployment.router.expect_log(r"was killed \(signal 9\)")
    os.kill(deployment.workers()[0], signal.SIGKILL)
    for _ in range(10):
        with closing(deployment.router.connect()) as connection:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            assert isinstance(answer, http.client.HTTPResponse)
            assert json.load(answer)["status"] == "ok"
    poll(lambda: any("was killed" in message for message in deployment.messages()))


def write(deployment, text):
    (deployment.project.folder / "router.toml").write_text(deployment.project.with_url(text))


def stderr(deployment):
    return deployment.router.stderr.splitlines()


def authorization(deployment):
    return {"Authorization": f"Bearer {deployment.router.key}"}


def stream(deployment, model):
    """A connection on which a stream has begun."""
    body = json.dumps({**HELLO, "model": model, "stream": True})
    connection = deployment.router.connect()
    connection.request("POST", "/v1/chat/completions", body, authorization(deployment))
    return connection


def ended(connection):
    """The last event of its stream."""
    with closing(connection):
        return connection.getresponse().read().strip().rpartition(b"\n\n")[2]


@contextmanager
def calls(deployment):
    """Calls all the while, on connections that are new and on such that are kept.

    One that is closed between two calls is opened again, as SDKs do.
    """
    outcomes, over = [], threading.Event()

    def call(connection):
        is_new = connection.sock is None
        body = json.dumps(HELLO)
        try:
            connection.request("POST", "/v1/chat/completions", body, authorization(deployment))
            answer = connection.getresponse()
        except ConnectionError:
            connection.close()
            return outcomes.append("broken") if is_new else call(connection)
        answer.read()
        return outcomes.append(answer.status)

    def run(kept):
        with closing(deployment.router.connect()) as connection:
            while not over.is_set():
                call(connection)
                if not kept:
                    connection.close()

    threads = [threading.Thread(target=run, args=(kept,)) for kept in (True, False) * 2]
    for thread in threads:
        thread.start()
    try:
        yield outcomes
    finally:
        over.set()
        for thread in threads:
            thread.join()


def served(deployment):
    """The calls that were served, by the metrics of all workers."""
    found = re.findall(r'_requests_total{.*status="200".*} (\d+)', metrics_text(deployment))
    return sum(map(int, found))


def metrics_text(deployment):
    return deployment.router.request("GET", "/metrics").body.decode()


def start_time(deployment):
    pattern = r"process_start_time_seconds (\S+)"
    return poll(lambda: re.search(pattern, metrics_text(deployment)))[1]


def metrics_files(pid):
    """Where the workers count together, by the environment of one."""
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    (folder,) = [item for item in variables if item.startswith("PROMETHEUS_MULTIPROC_DIR=")]
    return sorted(path.name for path in Path(folder.partition("=")[2]).iterdir())


def _bytes_read(pid):
    """What a process has read in all, from sockets too."""
    (line,) = [x for x in Path(f"/proc/{pid}/io").read_text().splitlines() if x[:5] == "rchar"]
    return int(line.split()[1])


def test_any_worker_cancels_what_another_makes(deployment):
    """Each request comes on a connection of its own, and so to either of the two."""

    def responses():
        return OpenAI(base_url=deployment.router.url, api_key=deployment.router.key).responses

    for _ in range(6):
        made = responses().create(model="up/hang", input="Hi", background=True)
        assert responses().cancel(made.id).status == "cancelled"
