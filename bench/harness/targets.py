"""What is measured: how each gateway is configured and started in front of the mock upstream.

A target is a function that writes its configuration into a folder of its own. To add one, write
the function and name it in `TARGETS`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import peers

from harness import BENCH, BenchError, UnavailableError
from harness.bodies import MESSAGES_MODELS, MODELS, RESPONSES_MODELS
from harness.load import free_port

_KEY = "sk-9f3b2c7e1d5a48b6a0c4e8f7d6b5a4938271605f4e3d2c1b"
"""For the targets that take any key, or whose configuration says which."""


@dataclass(frozen=True)
class Target:
    """A gateway that is ready to be started.

    Attributes:
        port: where it will listen.
        command: what starts it.
        headers: what a request needs besides the ones every SDK sends.
        env: variables added to the environment.
        cwd: the folder it is started in.
        has_all_endpoints: whether it serves messages and responses, too, natively and by bridge.
    """

    port: int
    command: tuple[str | Path, ...]
    headers: Mapping[str, str] = field(default_factory=lambda: _authorization(_KEY))
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    has_all_endpoints: bool = False


def _authorization(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


# -- This project ---------------------------------------------------------------------------------

_ROUTER_TOML = """\
[server]
port = {port}

[database]
path = {database}

[log]
format = "json"

[providers.bench]
type = "openai"
base_url = "http://127.0.0.1:{upstream_port}/v1"
api_key = "sk-upstream"
models = {models}

[providers.messages]
type = "anthropic"
base_url = "http://127.0.0.1:{upstream_port}"
api_key = "sk-upstream"
models = {messages_models}

[providers.responses]
type = "openai"
responses = true
base_url = "http://127.0.0.1:{upstream_port}/v1"
api_key = "sk-upstream"
models = {responses_models}

[auth]
default_plan = "bench"

[plans.bench]
credits = 0
rpm = 100000000
tpm = 100000000
max_in_flight = 100000
models = ["gpt-*", "claude*"]

[prices."bench/*"]
input = 2.5
output = 10.0
cached_input = 1.25

[prices."messages/*"]
input = 2.5
output = 10.0
cached_input = 1.25

[prices."responses/*"]
input = 2.5
output = 10.0
cached_input = 1.25
"""

_ACCOUNT = (
    ("users", "create", "--email", "bench@localhost", "--plan", "bench", "--password-stdin"),
    ("credits", "add", "bench@localhost", "1000000", "--reason", "a bench"),
)
_LIMITED = ("--user", "bench@localhost", "--rpm", "100000000", "--tpm", "100000000")
_BUDGET = ("--max-in-flight", "100000", "--budget", "1000000", "--budget-period", "total")


def router(folder: Path, upstream_port: int) -> Target:
    """The router with everything on: every limit of a key and of a plan, credits and a budget."""
    return _router(folder, upstream_port, (*_LIMITED, *_BUDGET))


def before(folder: Path, upstream_port: int) -> Target:
    """The same router of another checkout: `BENCH_BEFORE` is the path of its `tornado-router`."""
    program = os.environ.get("BENCH_BEFORE")
    if not program:
        raise UnavailableError("BENCH_BEFORE is not set")
    return _router(folder, upstream_port, (*_LIMITED, *_BUDGET), Path(program))


def unlimited(folder: Path, upstream_port: int) -> Target:
    """The router with a key that nothing limits: keys, validation, prices, accounting, log."""
    return _router(folder, upstream_port, ())


def _router(
    folder: Path, upstream_port: int, limits: tuple[str, ...], program: Path | None = None
) -> Target:
    program = program or Path(sys.executable).parent / "tornado-router"
    if not program.exists():
        raise UnavailableError(f"there is no {program}")
    port, config = free_port(), folder / "router.toml"
    config.write_text(
        _ROUTER_TOML.format(
            port=port,
            upstream_port=upstream_port,
            database=json.dumps(str(folder / "bench.db")),
            models=json.dumps(list(MODELS)),
            messages_models=json.dumps(list(MESSAGES_MODELS)),
            responses_models=json.dumps(list(RESPONSES_MODELS)),
        )
    )
    return Target(
        port=port,
        command=(program, "serve", "--config", config),
        headers=_authorization(_create_key(program, config, limits)),
        cwd=folder,
        has_all_endpoints=True,
    )


def _create_key(program: Path, config: Path, limits: tuple[str, ...]) -> str:
    for command in _ACCOUNT if limits else ():
        _run(program, config, *command)
    return _run(program, config, "keys", "create", "--name", "bench", *limits).split()[-1]


def _run(program: Path, config: Path, *command: str) -> str:
    result = subprocess.run(
        [program, *command, "--config", config],
        input="bench of the router\n",
        capture_output=True,
        text=True,
        check=False,
        cwd=config.parent,
    )
    if result.returncode or not result.stdout.strip():
        raise BenchError(f"{' '.join(command)}: {(result.stderr or result.stdout).strip()}")
    return result.stdout


def relay(folder: Path, upstream_port: int) -> Target:
    """The yardstick, `bench/relay.py`."""
    port = free_port()
    command = (sys.executable, BENCH / "relay.py", str(port), str(upstream_port))
    return Target(port=port, command=command)


# -- nginx ----------------------------------------------------------------------------------------

_NGINX_CONF = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    keepalive_requests 1000000;
    {http}
}}
"""

_PROXY = """\
    client_body_buffer_size 256k;
    upstream mock {{
        server 127.0.0.1:{upstream_port};
        keepalive 600;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://mock;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}
"""


def nginx(folder: Path, upstream_port: int) -> Target:
    """A plain proxy in C: the floor for whatever forwards HTTP."""
    port = free_port()
    http = _PROXY.format(port=port, upstream_port=upstream_port)
    return Target(port=port, command=nginx_command(folder, http))


def nginx_command(folder: Path, http: str) -> tuple[str | Path, ...]:
    """What starts an nginx of one worker.

    Args:
        folder: for its configuration and its files.
        http: what it serves: the inside of the block of this name.
    """
    config = folder / "nginx.conf"
    config.write_text(_NGINX_CONF.format(folder=folder, http=http.strip()))
    return (_on_path("nginx"), "-c", config, "-e", folder / "error.log")


# -- Other gateways; `python bench/peers.py install` -----------------------------------------------


def litellm(folder: Path, upstream_port: int) -> Target:
    """LiteLLM's proxy, one worker, no database, quiet."""
    program = _installed(peers.LITELLM)
    port, config = free_port(), folder / "litellm.yaml"
    base_url = f"http://127.0.0.1:{upstream_port}/v1"
    models = [
        {
            "model_name": model,
            "litellm_params": {
                "model": f"openai/{model}",
                "api_base": base_url,
                "api_key": "sk-upstream",
            },
        }
        for model in MODELS
    ]
    settings = {
        "model_list": models,
        "litellm_settings": {"callbacks": [], "num_retries": 0, "request_timeout": 60},
        "general_settings": {"master_key": _KEY},
    }
    config.write_text(json.dumps(settings))  # JSON is YAML, too
    options = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    return Target(
        port=port,
        command=(program, "--config", config, *options, "--telemetry", "False"),
        env={
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
        cwd=folder,
    )


def portkey(folder: Path, upstream_port: int) -> Target:
    """Portkey's gateway on Node, its streams repaired by portkey_fix.mjs."""
    port = free_port()
    headers = {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://127.0.0.1:{upstream_port}/v1",
    }
    return Target(
        port=port,
        command=(_on_path("node"), "build/start-server.js", f"--port={port}", "--headless"),
        headers={**_authorization(_KEY), **headers},
        env={"NODE_ENV": "production", "NODE_OPTIONS": f"--import={BENCH / 'portkey_fix.mjs'}"},
        cwd=_installed(peers.PORTKEY),
    )


def sglang(folder: Path, upstream_port: int) -> Target:
    """sglang-router, written in Rust, in its mode for OpenAI-like upstreams."""
    port = free_port()
    options = {
        "--backend": "openai",
        "--worker-urls": f"http://127.0.0.1:{upstream_port}",
        "--host": "127.0.0.1",
        "--port": str(port),
        "--log-level": "warn",
        "--prometheus-port": str(free_port()),
    }
    arguments = [word for option in options.items() for word in option]
    module = ("-m", "sglang_router.launch_router")
    return Target(port=port, command=(_installed(peers.SGLANG), *module, *arguments), cwd=folder)


def _on_path(name: str) -> str:
    program = shutil.which(name)
    if not program:
        raise UnavailableError(f"there is no '{name}' on the PATH")
    return program


def _installed(path: Path) -> Path:
    if not path.exists():
        raise UnavailableError("not installed; `python bench/peers.py install` does it")
    return path


TARGETS: dict[str, Callable[[Path, int], Target]] = {
    "router": router,
    "before": before,
    "unlimited": unlimited,
    "relay": relay,
    "nginx": nginx,
    "litellm": litellm,
    "portkey": portkey,
    "sglang": sglang,
}
"""By the name given on the command line: a folder to write into, the upstream's port -> target."""
