"""A changed router.toml is loaded while calls run; a wrong one is not."""

import json
import os
import signal
import threading
import time

import openai
import pytest

from ..support import VENDOR_KEY, poll

pytestmark = pytest.mark.sqlite_suffices

HELLO = [{"role": "user", "content": "hello out there"}]

ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[auth]
bcrypt_rounds = 4
[providers.up]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
[plans.free]
rpm = 5
[routes.old]
targets = ["up/ok"]
"""


class Deployment:
    """A router, and the file that it serves by."""

    def __init__(self, project, text):
        self.project = project
        self.text = text
        self.router = project.serve()

    def write(self, text):
        """Puts another file in place, as a whole."""
        path = self.project.folder / "router.toml"
        new = path.with_suffix(".new")
        new.write_text(self.project.with_url(text))
        new.rename(path)

    def messages(self):
        return [line.get("message", "") for line in self.router.log()]

    def reload(self, text, told="loaded router.toml"):
        """Has a file loaded, and waits until the log says what came of it."""
        before = sum(told in message for message in self.messages())
        self.write(text)
        self.router.send(signal.SIGHUP)
        poll(lambda: sum(told in message for message in self.messages()) > before)

    def ask(self, model, key=None, stream=False):
        with openai.OpenAI(
            base_url=self.router.url, api_key=key or self.router.key, max_retries=0
        ) as client:
            answer = client.chat.completions.create(model=model, messages=HELLO, stream=stream)
            return list(answer) if stream else answer

    def models(self):
        answer = self.router.request(
            "GET", "/v1/models", headers={"Authorization": f"Bearer {self.router.key}"}
        )
        return [model["id"] for model in answer.json["data"]]


@pytest.fixture
def deployment(router_project, upstream):
    text = ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)
    return Deployment(router_project({"router.toml": text}), text)


def test_routes_and_providers_come_and_go(deployment, upstream):
    deployment.ask("old")
    more = f'[providers.two]\ntype = "openai"\nbase_url = "{upstream.url}/two/v1"\napi_key = "x"\n'
    deployment.reload(deployment.text.replace("routes.old", "routes.new") + more)
    assert deployment.models() == ["new"]
    deployment.ask("new")
    deployment.ask("two/ok")
    with pytest.raises(openai.NotFoundError):
        deployment.ask("old")
    assert [x["path"] for x in upstream.exchanges()][-1] == "/two/v1/chat/completions"
    connections = {x["connection"] for x in upstream.exchanges() if "/two" not in x["path"]}
    assert len(connections) == 1  # a provider that did not change keeps its own


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("[routes.x]\ntargets = ['nobody/x']", "routes.x.targets[0]: there is no provider"),
        ("[oops", "Expected"),
        ("[servre]\n", "servre"),
    ],
)
def test_a_wrong_file_is_not_taken_up(deployment, wrong, reason):
    deployment.router.expect_log("was not loaded")
    deployment.reload(deployment.text + wrong, "was not loaded")
    (message,) = [text for text in deployment.messages() if "was not loaded" in text]
    assert reason in message
    assert VENDOR_KEY not in message
    deployment.ask("old")
    deployment.reload(deployment.text.replace("routes.old", "routes.new"))
    deployment.ask("new")


def test_no_call_is_lost_while_files_change(deployment):
    done, stopping, failures = [], threading.Event(), []

    def ask(number):
        with openai.OpenAI(
            base_url=deployment.router.url, api_key=deployment.router.key, max_retries=0
        ) as client:
            while not stopping.is_set():
                try:
                    if number % 2:
                        stream = client.chat.completions.create(
                            model="up/stream:5", messages=HELLO, stream=True
                        )
                        assert list(stream)[-1].choices[0].finish_reason == "stop"
                    else:
                        client.chat.completions.create(model="up/ok", messages=HELLO)
                    done.append(number)
                except Exception as error:  # noqa: BLE001 - it is what the test is about
                    failures.append(error)
                    return

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for change in range(10):  # each makes another provider, with connections of its own
        before = len(done)
        changed = f"total_timeout = {100 + change}\n[plans.free]"
        deployment.reload(deployment.text.replace("[plans.free]", changed))
        poll(lambda before=before: failures or len(done) > before + 10)
    stopping.set()
    for thread in threads:
        thread.join()
    assert failures == []
    poll(lambda: len(deployment.router.usage_rows()) >= len(done))
    rows = deployment.router.usage_rows()
    assert {row["status"] for row in rows} == {200}
    assert len(rows) == len(done)


def test_a_stream_goes_on_whose_provider_is_gone(deployment, upstream):
    with openai.OpenAI(
        base_url=deployment.router.url, api_key=deployment.router.key, max_retries=0
    ) as client:
        threading.Thread(target=upstream.step, args=(2,)).start()  # its role, and its first text
        stream = client.chat.completions.create(model="up/gated:4", messages=HELLO, stream=True)
        next(stream)
        text = deployment.text.replace("providers.up", "providers.other")
        deployment.reload(text.replace("up/ok", "other/ok"))
        with pytest.raises(openai.NotFoundError):
            deployment.ask("up/ok")
        upstream.step(10)
        assert list(stream)[-1].choices[0].finish_reason == "stop"


def test_a_response_in_the_background_goes_on_whose_provider_is_gone(deployment, upstream):
    with openai.OpenAI(
        base_url=deployment.router.url, api_key=deployment.router.key, max_retries=0
    ) as client:
        made = client.responses.create(model="up/gated", input="Hi", background=True)
        poll(upstream.exchanges)
        text = deployment.text.replace("providers.up", "providers.other")
        deployment.reload(text.replace("up/ok", "other/ok"))
        deployment.ask("other/ok")
        upstream.step(10)
        done = poll(lambda: (it := client.responses.retrieve(made.id)).status != "queued" and it)
    assert done.status == "completed"


def test_plans_change_and_what_was_used_is_not_forgotten(deployment):
    run = deployment.project.cli
    run(
        "users",
        "create",
        "--email",
        "ada@example.com",
        "--plan",
        "free",
        "--password-stdin",
        input="correct horse 7 battery\n",
    )
    key = run("keys", "create", "--name", "k", "--user", "ada@example.com").stdout.strip()
    for _ in range(5):
        deployment.ask("old", key)
    with pytest.raises(openai.RateLimitError):
        deployment.ask("old", key)
    deployment.reload(deployment.text + "[routes.more]\ntargets = ['up/ok']\n")
    with pytest.raises(openai.RateLimitError):
        deployment.ask("more", key)
    deployment.reload(deployment.text.replace("rpm = 5", "rpm = 500"))
    deployment.ask("old", key)


def test_what_needs_a_restart_is_named_and_left_as_it_was(deployment):
    text = deployment.text.replace("port = 0", "port = 4444").replace("= 4\n", "= 5\n")
    deployment.reload(text.replace("routes.old", "routes.new"), "need a restart")
    (message,) = [text for text in deployment.messages() if "need a restart" in text]
    assert message == "these options need a restart: server.port, auth.bcrypt_rounds"
    deployment.ask("new")


def test_a_provider_that_is_off_now_is_told(deployment):
    text = deployment.text.replace(VENDOR_KEY, "${NOT_THERE}")
    deployment.reload(text, "is off")
    assert "provider up is off: NOT_THERE is not set" in deployment.messages()
    with pytest.raises(openai.NotFoundError):
        deployment.ask("old")


def test_a_file_is_watched_if_asked_for(router_project, upstream):
    text = ROUTER_TOML.format(key="${KEY}", upstream=upstream.url)
    text = text.replace("port = 0", "port = 0\nwatch = true")
    deployment = Deployment(router_project({"router.toml": text, ".env": "KEY=sk-1\n"}), text)
    deployment.ask("old")
    deployment.write(text.replace("routes.old", "routes.new"))
    poll(lambda: deployment.models() == ["new"])
    deployment.ask("new")
    env = deployment.project.folder / ".env"
    env.write_text("KEY=sk-2\n")
    os.utime(env, (time.time() + 5, time.time() + 5))
    poll(lambda: sum("loaded router.toml" in message for message in deployment.messages()) == 2)
    deployment.ask("new")
    keys = [dict(x["headers"])["Authorization"] for x in upstream.exchanges()]
    assert keys == ["Bearer sk-1", "Bearer sk-1", "Bearer sk-2"]
    time.sleep(2.5)  # nothing changes: nothing is loaded
    assert sum("loaded router.toml" in message for message in deployment.messages()) == 2
    assert json.loads(deployment.router.request("GET", "/health").body)["status"] == "ok"


def test_a_file_with_a_secret_is_watched_also_before_it_is_there(
    router_project, upstream, tmp_path
):
    secret = tmp_path / "secret"
    secret.write_text("sk-1\n")
    text = ROUTER_TOML.format(key=f"${{file:{secret}}}", upstream=upstream.url)
    text = text.replace("port = 0", "port = 0\nwatch = true")
    deployment = Deployment(router_project({"router.toml": text}), text)
    deployment.ask("old")
    secret.unlink()
    poll(lambda: any("provider up is off" in message for message in deployment.messages()))
    secret.write_text("sk-2\n")
    poll(lambda: deployment.models() == ["old"])
    deployment.ask("old")
    keys = [dict(x["headers"])["Authorization"] for x in upstream.exchanges()]
    assert keys == ["Bearer sk-1", "Bearer sk-2"]
