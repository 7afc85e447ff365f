"""Real processes for tests: the router, the upstream, and plain HTTP to talk to them."""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from . import warm
from .place import Place

UPSTREAM = Path(__file__).parent / "upstream.py"
DEADLINE = 60.0
"""Nothing here takes this long, on a slow machine neither; a test that waits longer has found its
fault."""

VENDOR_KEY = "sk-vendor-4ecae5b2"
WARNING = re.compile(r": \w*Warning: ")

ECHO = '[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'
"""The provider of a router.toml that answers by itself."""


def vendor(
    name: str, url: str, *options: str, kind: str = "openai", key: str | None = VENDOR_KEY
) -> str:
    """A provider of a router.toml.

    Args:
        name: of its table.
        url: where it is.
        options: more lines of its table.
        kind: its type.
        key: of the vendor, or None.
    """
    keys = [] if key is None else [f'api_key = "{key}"']
    lines = [f"[providers.{name}]", f'type = "{kind}"', f'base_url = "{url}"', *keys, *options]
    return "\n".join(lines) + "\n"


def poll(ask: Callable, seconds: float = DEADLINE):
    """Asks until the answer is true, and returns it; fails after the deadline."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < end, f"nothing came of it in {seconds} s"
        time.sleep(0.01)


@dataclass
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """OpenAI's error object, after a look at whether it is one."""
        assert self.headers["Content-Type"] == "application/json"
        assert list(self.json) == ["error"]
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert isinstance(error["message"], str)
        assert error["message"]
        return error


@contextmanager
def connected(url: str):
    """A socket that is connected to the server of a URL."""
    host, port = re.fullmatch(r"https?://([^:/]+):(\d+).*", url).groups()
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as sock:
        yield sock


def read_response(sock: socket.socket, method: str = "POST") -> Response:
    """The one response that a socket brings."""
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return Response(response.status, response.headers, response.read())


def events(stream: bytes) -> list[bytes]:
    """The events of a server-sent event stream, each line of them framed as it has to be."""
    assert stream.endswith(b"\n\n")
    split = stream.removesuffix(b"\n\n").split(b"\n\n")
    for event in split:
        assert re.fullmatch(rb"(event: error\n)?data: [^\r\n]+", event), event
    return split


ROUTER = [sys.executable, "-m", warm.MODULE]
SERVE = [*ROUTER, "serve"]


class Process:
    """A child process whose output is kept in files.

    Args:
        command: that starts it.
        folder: to run in.
        name: of its files.
        env: of it, or None for that of this process.
        is_warm: whether it is a command of the router, forked from a process that has imported it.
    """

    def __init__(
        self,
        command: list,
        folder: Path,
        name: str,
        env: dict | None = None,
        *,
        is_warm: bool = False,
    ) -> None:
        self.stdout_path = folder / f"{name}.stdout"
        self.stderr_path = folder / f"{name}.stderr"
        with (
            open(os.devnull, "rb") as stdin,
            self.stdout_path.open("wb") as stdout,
            self.stderr_path.open("wb") as stderr,
        ):
            self.process: subprocess.Popen | warm.WarmProcess
            if is_warm and env is not None:
                files = [stdin, stdout, stderr]
                self.process = warm.WarmProcess(command[len(ROUTER) :], folder, env, files)
            else:
                self.process = subprocess.Popen(
                    command, cwd=folder, env=env, stdin=stdin, stdout=stdout, stderr=stderr
                )
        self.pid = self.process.pid

    @property
    def stdout(self) -> str:
        return self.stdout_path.read_text()

    @property
    def stderr(self) -> str:
        """Its whole lines: a long write comes to the file page by page."""
        return self.stderr_path.read_bytes().rpartition(b"\n")[0].decode()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def printed(self, pattern: str) -> re.Match:
        """Waits until standard output has it."""

        def look():
            found = re.search(pattern, self.stdout)
            assert found or self.running, f"it ended:\n{self.stdout}\n{self.stderr}"
            return found

        return poll(look)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(DEADLINE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)


class Upstream(Process):
    """The process of upstream.py, and what it tells of itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__([sys.executable, UPSTREAM], folder, "upstream")
        self.port = int(self.printed(r"^(\d+)\n")[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.seen = 0

    def forget(self) -> None:
        """Leaves what came so far out of `exchanges`."""
        self.seen = self._control("GET", "/_count")

    def exchanges(self) -> list[dict]:
        """What it received since, oldest first."""
        return self._log(self.seen)

    def exchange(self) -> dict:
        """The one request it received since; waits for it."""
        (exchange,) = poll(self.exchanges)
        return exchange

    def cut(self) -> dict:
        """The one request it received since, once the router has hung up on it."""
        return poll(lambda: (x := self.exchange())["cut"] and x)

    def step(self, count: int = 1) -> None:
        """Lets every `gated` answer send so much more."""
        poll(lambda: self._control("POST", f"/_step?count={count}")["stepped"])

    def _log(self, since: int = 0) -> list[dict]:
        log = self._control("GET", f"/_log?since={since}")
        return [{**item, "body": item["body"].encode("latin-1")} for item in log]

    def _control(self, method: str, path: str):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)) as http_:
            http_.request(method, path)
            return json.loads(http_.getresponse().read())


class Router(Process):
    """A serving router."""

    def __init__(self, project: Project, words: Sequence[str], env: dict) -> None:
        name = f"serve{project.starts}"
        environ = project.env(env)
        is_warm = project.is_warm(environ)
        super().__init__([*SERVE, *words], project.folder, name, environ, is_warm=is_warm)
        self.url = self.printed(r"serves on (https?://\S+)\n")[1]
        self.origin = self.url.removesuffix("/v1")
        self.place = project.place
        shown = re.search(r"sk-tr-\S+", self.stdout)
        self.key = shown[0] if shown else None
        self._announced: list[str] = []
        self._checked = 0

    def request(self, method: str, path: str, body=None, headers: dict | None = None) -> Response:
        """One HTTP request on a connection of its own, with nothing added but what HTTP needs."""
        with closing(self.connect()) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())

    def post(self, body: bytes | dict, **headers: str | None) -> Response:
        """A chat completion, asked for with the first key."""
        with self.asking(body, **headers) as connection:
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())

    @contextmanager
    def asking(self, body: bytes | dict, **headers: str | None):
        """A connection on which a chat completion was asked for; leaving it hangs up."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        given |= {name.replace("_", "-").title(): value for name, value in headers.items()}
        given = {name: value for name, value in given.items() if value is not None}
        with closing(self.connect()) as connection:
            connection.request("POST", "/v1/chat/completions", data, given)
            yield connection

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.origin.removeprefix("http://"), timeout=DEADLINE)

    def health(self) -> dict:
        """What an administrator sees of its health, if the first key is one's."""
        return self.request("GET", "/health", headers={"Authorization": f"Bearer {self.key}"}).json

    def usage(self, request_id: str) -> dict:
        """The one row of a call, once it is written."""
        (row,) = poll(lambda: self.usage_rows(request_id))
        return row

    def usage_rows(self, request_id: str | None = None) -> list[dict]:
        """The rows that are written now."""
        query = "SELECT * FROM usage_logs WHERE ? IN ('', request_id) ORDER BY id"
        return self.place.rows(query, request_id or "")

    def log(self) -> list[dict]:
        """The lines of the log so far, parsed."""
        return [json.loads(line) for line in self.stderr.splitlines()]

    def log_line(self, request_id: str) -> dict:
        """The one line about a request, once it is written."""

        def look():
            lines = [json.loads(line) for line in self.stderr.splitlines() if request_id in line]
            return [line for line in lines if line.get("request_id") == request_id]

        (line,) = poll(look)
        return line

    def expect_log(self, pattern: str) -> None:
        """Announces an error that the log will hold; without it, it fails the test."""
        self._announced.append(pattern)

    def check_log(self) -> None:
        """Fails on any mess in the log since the last check that no test announced."""
        lines = self.stderr.splitlines()
        announced, self._announced = self._announced, []
        mess = [line for line in lines[self._checked :] if _is_mess(line)]
        self._checked = len(lines)
        left = [line for line in mess if not any(re.search(p, line) for p in announced)]
        assert not left, "the router logged:\n" + "\n".join(left)
        for pattern in announced:
            assert any(re.search(pattern, line) for line in mess), f"no {pattern!r} was logged"

    def stop(self) -> int:
        """Ends it as an operator would; returns its exit code."""
        if self.running:
            self.send(signal.SIGTERM)
        return self.wait()


class Project:
    """A folder with a router.toml, as an operator has it.

    Args:
        folder: empty so far.
        files: texts by name.
        url: of its PostgreSQL database; empty for a file.

    Attributes:
        cold: whether each of its processes starts as an operator starts it, not as a fork.
    """

    cold = bool(os.environ.get("TEST_COLD"))

    def __init__(self, folder: Path, files: dict[str, str], url: str = "") -> None:
        self.folder = folder
        self.url = url
        self.starts = 0
        self.routers: list[Router] = []
        for name, text in files.items():
            (folder / name).write_text(self.with_url(text) if name == "router.toml" else text)

    def with_url(self, text: str) -> str:
        """A router.toml that names its database."""
        if not self.url:
            return text
        head, _, rest = text.partition("[database]")
        return f'{head}\n[database]\nurl = "{self.url}"\n{rest}'

    @property
    def place(self) -> Place:
        return Place(self.url or self.folder / "data" / "router.db")

    def serve(self, *words: str, **env: str) -> Router:
        """Starts the router, with words for its command, and waits until it listens."""
        self.starts += 1
        router = Router(self, words, env)
        self.routers.append(router)
        return router

    def cli(self, *arguments: str, input: str = "", **env: str) -> subprocess.CompletedProcess:
        """Runs the command to its end."""
        command, environ = [*ROUTER, *arguments], self.env(env)
        if not self.is_warm(environ):
            return subprocess.run(
                command,
                cwd=self.folder,
                env=environ,
                input=input,
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                check=False,
            )
        with (
            TemporaryFile("w+") as stdin,
            TemporaryFile("w+") as stdout,
            TemporaryFile("w+") as stderr,
        ):
            stdin.write(input)
            stdin.seek(0)
            files = [stdin, stdout, stderr]
            status = warm.WarmProcess([*arguments], self.folder, environ, files).wait(DEADLINE)
            stdout.seek(0)
            stderr.seek(0)
            return subprocess.CompletedProcess(command, status, stdout.read(), stderr.read())

    def is_warm(self, env: dict[str, str]) -> bool:
        """Whether a process of this environment is forked from one that has imported the router."""
        return not self.cold and warm.can_start(env)

    def create_key(self, name: str = "test", *options: str) -> str:
        """One more API key."""
        made = self.cli("keys", "create", "--name", name, *options)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def env(self, more: dict[str, str]) -> dict[str, str]:
        """An environment without anything that the developer's own may hold."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**kept, "PYTHONWARNINGS": "default", **more}

    def close(self) -> None:
        """Stops what still serves, and looks at every log."""
        try:
            for router in self.routers:
                router.stop()
        finally:
            for router in self.routers:
                if router.running:
                    router.kill()
        for router in self.routers:
            router.check_log()


@contextmanager
def no_descriptors(seconds: float = DEADLINE):
    """This process may open no more files; again behind it, or after so many seconds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    give_back = threading.Timer(seconds, resource.setrlimit, (resource.RLIMIT_NOFILE, (soft, hard)))
    give_back.start()
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        give_back.cancel()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _is_mess(line: str) -> bool:
    try:
        item = json.loads(line)
    except ValueError:
        return True
    text = item["message"]
    if "blocks the event loop" in text:
        return False  # so does a machine that is busy with other tests
    return (
        item["level"] in ("error", "critical")
        or "exception" in item
        or "Traceback" in text
        or WARNING.search(text) is not None
    )
