"""Every method of the official SDKs that sends a request, at a router and a vendor of its types."""

import json
import re
import subprocess
from dataclasses import replace
from functools import partial

import openai
import pytest

from tools.node_methods import FOLDER, node_methods
from tools.sdk_methods import arguments_of, method_of, sdk_methods
from tools.sdk_table import PASSED, REFUSED, fate_of

from ..support import Project
from .node import NodeError, NodeSdk, install, needed
from .typed_vendor import KEY, TypedVendor

pytestmark = pytest.mark.sqlite_suffices

MAKERS = {
    "agent_id": "beta.agents.create",
    "automation_id": "beta.agents.automations.create",
    "completion_id": "chat.completions.create",
    "consent": "audio.voice_consents.create",
    "consent_id": "audio.voice_consents.create",
    "environment_id": "beta.agents.environments.create",
    "environment_template_id": "beta.agents.environments.templates.create",
    "session_id": "beta.agents.sessions.create",
    "vault_id": "beta.agents.vaults.create",
    "voice_id": "audio.voices.create",
    "assistant_id": "beta.assistants.create",
    "batch_id": "batches.create",
    "character_id": "videos.create_character",
    "container_id": "containers.create",
    "conversation_id": "conversations.create",
    "eval_id": "evals.create",
    "file_id": "files.create",
    "fine_tuning_job_id": "fine_tuning.jobs.create",
    "input_file_id": "files.create",
    "response_id": "responses.create",
    "skill_id": "skills.create",
    "thread_id": "beta.threads.create",
    "training_file": "files.create",
    "upload_id": "uploads.create",
    "vector_store_id": "vector_stores.create",
    "video_id": "videos.create",
}
"""What makes the thing whose id a parameter is."""

LINE = {
    "custom_id": "1",
    "method": "POST",
    "url": "/v1/responses",
    "body": {"model": "openai/gpt-4o", "input": "hello"},
}
"""Of the file of a batch."""

REFUSALS = ("endpoint_not_served", "method_not_allowed")

ROUTER_TOML = f"""
[server]
port = 0
[auth]
bcrypt_rounds = 4
[passthrough]
provider = "openai"
[providers.openai]
type = "openai"
api_key = "{KEY}"
base_url = "URL"
responses = true
[routes.omni-moderation-latest]
targets = ["openai/omni-moderation-latest"]
[routes.dall-e-2]
targets = ["openai/dall-e-2"]
[routes.gpt-image-1]
targets = ["openai/gpt-image-1"]
"""


def methods_for_node():
    """Those of the SDK for Node, with the names and responses that they have in Python."""
    its = node_methods()
    return [
        replace(method, verb=its[method.name].verb, path=its[method.name].path)
        for method in sdk_methods()
        if method.name in its
    ]


@pytest.fixture(scope="module")
def vendor():
    with TypedVendor([*sdk_methods(), *methods_for_node()]) as vendor:
        vendor.content = json.dumps(LINE).encode()
        yield vendor


@pytest.fixture(scope="module")
def sdk_router(vendor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdk")
    router = Project(folder, {"router.toml": ROUTER_TOML.replace("URL", vendor.url)}).serve()
    yield router
    assert router.stop() == 0
    router.check_log()


@pytest.fixture
def sdk(sdk_router):
    with openai.OpenAI(
        base_url=sdk_router.url,
        api_key=sdk_router.key,
        admin_api_key=sdk_router.key,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        yield client


class Sender:
    """Calls methods with the ids of things that were made for them, by the SDK for Python.

    Args:
        sdk: the client that makes things.
    """

    def __init__(self, sdk):
        self._sdk = sdk
        self._made = {}

    def in_python(self, name):
        return method_of(self._sdk, name)(**self.arguments(name))

    def arguments(self, name):
        wanted = arguments_of(method_of(self._sdk, name), name)
        texts = {
            key: re.sub(r"\{(\w+)\}", r"\1", value)
            for key, value in wanted.items()
            if isinstance(value, str)
        }
        ids = {key: self._id(MAKERS[key]) for key in wanted if key in MAKERS}
        more = {"model": "openai/gpt-4o"} if "model" in wanted else {}
        if name == MAKERS["completion_id"]:
            more["store"] = True
        if name.endswith("delete"):
            self._made.clear()
        return wanted | texts | ids | more

    def _id(self, maker):
        """Of what the method of this name made, now or before."""
        if maker not in self._made:
            self._made[maker] = self.in_python(maker).id
        return self._made[maker]


def fault_of(call, vendor, method):
    """What is not as the table has it; empty if all is."""
    kind = fate_of(method).kind
    vendor.seen.clear()
    vendor.faults.clear()
    try:
        call()
    except (openai.APIError, NodeError) as error:
        if kind != REFUSED or getattr(error, "code", "") not in REFUSALS:
            return f"{kind}, but {error}"
        return "the vendor was asked" if any(method.name in it for it in vendor.seen) else ""
    if kind == REFUSED:
        return "it is served"
    if kind == PASSED and method.name not in vendor.seen[-1]:
        return f"the vendor got {vendor.seen[-1]}"
    return ", ".join(vendor.faults)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # some methods are, and are served
def test_every_method_of_the_sdk_is_what_the_table_says(sdk, vendor):
    send = Sender(sdk).in_python
    calls = {method: partial(send, method.name) for method in sdk_methods()}
    faults = {it.name: fault for it, call in calls.items() if (fault := fault_of(call, vendor, it))}
    assert faults == {}
    assert len(calls) > 300


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_method_of_the_sdk_for_node_is_what_the_table_says(sdk_router, sdk, vendor):
    install()
    sender = Sender(sdk)
    in_python = {method.name: method for method in sdk_methods()}
    faults = {}
    with NodeSdk(sdk_router.url, sdk_router.key) as node:
        for method in methods_for_node():
            its = node_methods()[method.name]
            arguments = sender.arguments(method.name)
            call = partial(node.call, its, in_python[method.name].path, arguments)
            if fault := fault_of(call, vendor, method):
                faults[its.name] = fault
    assert faults == {}
    assert len(node_methods()) > 200


def test_the_list_of_methods_for_node_is_what_the_sdk_has():
    install()
    found = subprocess.check_output([needed("node"), "methods.mjs"], cwd=FOLDER, text=True)
    assert found == (FOLDER / "methods.txt").read_text()
