"""docs/writing-a-provider.md: every piece of code on the page works as it stands there."""

import asyncio
import importlib
import json
import re
import tomllib
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from tornado_router.plugins.registry import load_plugins
from tornado_router.provider import Part, Parts, UpstreamRequest
from tornado_router.scaffold import create
from tornado_router.testing import running_router, running_vendor
from tornado_router.testing.vendors import json_response
from tornado_router.validation import Validator

from .processes import run_pytest

PAGE = (Path(__file__).parents[2] / "docs" / "writing-a-provider.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PYTHON = [code for language, code in BLOCKS if language == "python"]


def files_of(package: str) -> dict[str, str]:
    """The pieces of code that are whole files, by path."""
    found = {}
    for code in PYTHON:
        path, _, text = code.partition("\n")
        if not path.startswith("# in "):
            found[path.removeprefix("# ")] = text
    return {path: text for path, text in found.items() if package in path or package in text}


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def test_page_has_examples():
    assert len(PYTHON) >= 6


def test_provider_for_a_vendor_of_openais_format(tmp_path, monkeypatch):
    pytest.importorskip("tornado_router_openai")
    files = files_of("acme")
    (text,) = files.values()
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) <= 15
    write(tmp_path, files)
    monkeypatch.syspath_prepend(tmp_path)
    plugins = load_plugins([EntryPoint("acme", "tornado_router_acme", "tornado_router")])
    assert plugins.broken == {}
    provider = plugins.types["acme"]("acme", {"api_key": "k"})
    assert provider.base_url == "https://api.acme.example/v1"


def test_tables_name_types_that_there_are():
    pytest.importorskip("tornado_router_openai")
    types = load_plugins().types
    tables = [tomllib.loads(code) for language, code in BLOCKS if language == "toml"]
    assert len(tables) == 2
    for table in tables:
        for options in table["providers"].values():
            kind = types[options.pop("type")]
            assert kind("x", options).supports("chat.completions")


def test_listed_types_are_those_that_there_are():
    presets = pytest.importorskip("tornado_router_openai.presets").PRESETS
    sentence = re.search(r"with address and quirks built in: (.*?)\.\n\n", PAGE, re.DOTALL)[1]
    assert set(re.findall(r"`([^`]+)`", sentence)) == set(presets)


def test_recorded_request_is_valid():
    (code,) = [code for language, code in BLOCKS if language == "json"]
    Validator.load("chat.completions.request").check(json.loads(code))


def test_quotes_are_what_is_made(tmp_path):
    made = create("mine", tmp_path)
    quotes = [code.partition("\n") for code in PYTHON if code.startswith("# in ")]
    assert len(quotes) >= 3
    for head, _, text in quotes:
        assert text in (made / head.removeprefix("# in ")).read_text(encoding="utf-8")


def test_kit_test_is_what_is_made(tmp_path):
    made = create("mine", tmp_path)
    ((path, text),) = files_of("tornado_router_mine").items()
    assert (made / path).read_text(encoding="utf-8").endswith(text)


def test_files_that_are_listed_are_made(tmp_path):
    made = create("mine", tmp_path)
    listing = re.search(r"tests tell you what is left to do\.\n\n(.*?)\n\n", PAGE, re.DOTALL)[1]
    for line in listing.splitlines():
        assert (made / line.split()[0]).exists()


def test_provider_in_process_passes_the_kit(tmp_path):
    write(tmp_path, files_of("shout"))
    result = run_pytest(tmp_path, "tests/test_shout.py")
    assert result.returncode == 0, result.stdout
    assert "ShoutProvider: rules:" in result.stdout
    assert " 0 failed" in result.stdout


EMBEDDERS = """
[providers.lark]
type = "lark"
base_url = "{url}"
[providers.echo]
type = "echo"
models = ["echo"]
[routing]
retries = 0
[routes.both]
targets = ["lark/small", "echo/echo"]
"""


def test_more_inputs_than_the_vendor_takes(tmp_path, monkeypatch):
    """The core sends what there is in one request, and goes on to the next target if refused."""
    write(tmp_path, files_of("lark"))
    monkeypatch.syspath_prepend(tmp_path)
    lark = importlib.import_module("tornado_router_lark.provider")

    def respond(request):
        texts = request.json["texts"]
        return json_response({"vectors": [[0.5, 1.0]] * len(texts), "tokens": len(texts)})

    with running_vendor(respond) as vendor:
        toml = EMBEDDERS.format(url=vendor.url)
        with running_router(toml, tmp_path / "r", types={"lark": lark.LarkProvider}) as router:

            def embed(count, model="both"):
                body = json.dumps({"model": model, "input": ["a"] * count})
                return router.request("POST", "/v1/embeddings", body.encode())

            assert embed(96).headers["x-router-target"] == "lark/small"
            assert [len(request.json["texts"]) for request in vendor.requests] == [96]
            for count in (97, 2048):
                response = embed(count)
                assert response.headers["x-router-target"] == "echo/echo"
                assert len(json.loads(response.body)["data"]) == count
            refused = embed(97, "lark/small")
            assert (refused.status, json.loads(refused.body)["error"]["param"]) == (400, "input")
            assert len(vendor.requests) == 1
            for _ in range(9):
                embed(97)
            assert embed(2).headers["x-router-target"] == "lark/small"


def test_members_that_params_does_not_see(tmp_path):
    """A translator that drops them unseen fails the kit, which names them."""
    made = create("mine", tmp_path)
    chat = made / "tornado_router_mine" / "chat.py"
    text = chat.read_text(encoding="utf-8")
    chat.write_text(text.replace('message.get("name")', "None"), encoding="utf-8")
    result = run_pytest(made, "tests/test_conformance.py", "-k", "parameter_is")
    assert "the name of a message is lost without notice" in result.stdout


PARROT_TEST = """
from pathlib import Path

import pytest
from tornado_router.testing import ProviderConformance

from tornado_router_parrot.provider import ParrotProvider


class TestParrot(ProviderConformance):
    recordings = Path(__file__).parent / "recordings"

    @pytest.fixture
    def provider(self):
        return ParrotProvider("parrot", {"client_secret": "sk-canary-0123456789"})
"""
SOUND = "HTTP/1.1 200 OK\nContent-Type: audio/mpeg\n\nsquawk squawk"


def test_provider_of_files_bytes_and_tokens_passes_the_kit(tmp_path):
    write(tmp_path, files_of("parrot"))
    speak = json.dumps({"model": "macaw", "input": "Hello", "voice": "alloy"})
    listen = json.dumps({"model": "macaw", "file": "hello.file.mp3"})
    write(
        tmp_path / "tests",
        {
            "test_parrot.py": PARROT_TEST,
            "recordings/audio.speech/hello.request.json": speak,
            "recordings/audio.speech/hello.http": SOUND,
            "recordings/audio.speech/hello.stream.http": SOUND,
            "recordings/audio.transcriptions/hello.request.json": listen,
            "recordings/audio.transcriptions/hello.file.mp3": "squawk",
            "recordings/audio.transcriptions/hello.http": 'HTTP/1.1 200 OK\n\n{"heard": "Hello"}',
            "recordings/credentials/token.http": 'HTTP/1.1 200 OK\n\n{"token": "t", "life": 60}',
        },
    )
    result = run_pytest(tmp_path, "tests/test_parrot.py")
    assert result.returncode == 0, result.stdout
    assert " 0 failed" in result.stdout
    for rule in ("file is sent", "bytes are passed on", "credentials are shared"):
        assert rule not in result.stdout, "a rule is skipped"


def parrot(name):
    """What a file of the example defines."""
    defined = {}
    exec(files_of("parrot")[f"tornado_router_parrot/{name}.py"], defined)  # the page's own code
    return defined


def test_credentials_of_an_sdk_are_fetched_in_a_thread():
    class Sdk:
        def get_token(self):
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            return SimpleNamespace(value="t", expires_in=60)

    credentials = parrot("sdk")["sdk_credentials"](Sdk())
    headers = asyncio.run(credentials.headers(UpstreamRequest("https://v", b"", {}), None))
    assert headers == {"X-Token": "t"}


def test_a_signature_covers_bytes_and_forms():
    sign = parrot("signature")["Signature"](b"secret").headers
    parts = Parts((Part("a", "b"),), "boundary")
    same = UpstreamRequest("https://v", b"".join(parts.pieces()), {})
    signed = [asyncio.run(sign(UpstreamRequest("https://v", parts, {}), None))]
    signed += [asyncio.run(sign(request, None)) for request in (same, UpstreamRequest("", b"", {}))]
    assert signed[0] == signed[1] != signed[2]


def test_words_go_through_a_websocket():
    class Socket:
        async def send(self, message):
            self.message = message

        async def receive(self):
            return self.message.upper()

    class Client:
        @asynccontextmanager
        async def connect(self, request, protocols):
            assert (request.url, protocols) == ("wss://v", ("parrot",))
            yield Socket()

    repeat = parrot("realtime")["repeat"]
    assert asyncio.run(repeat(Client(), "wss://v", ["hi", "you"])) == ["HI", "YOU"]
