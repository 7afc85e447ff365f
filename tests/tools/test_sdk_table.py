"""Every method of the official SDK that sends a request, at a router and a vendor of its types."""

import json
import re

import openai
import pytest

from tools.sdk_methods import arguments_of, method_of, sdk_methods
from tools.sdk_table import PASSED, REFUSED, fate_of

from ..support import Project
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


@pytest.fixture(scope="module")
def vendor():
    with TypedVendor() as vendor:
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


def send(sdk, name):
    """Calls a method, with the ids of things that were made for it."""
    method = method_of(sdk, name)
    wanted = arguments_of(method, name)
    texts = {
        key: re.sub(r"\{(\w+)\}", r"\1", value)
        for key, value in wanted.items()
        if isinstance(value, str)
    }
    ids = {key: send(sdk, MAKERS[key]).id for key in wanted if key in MAKERS}
    more = {"model": "openai/gpt-4o"} if "model" in wanted else {}
    if name == MAKERS["completion_id"]:
        more["store"] = True
    return method(**wanted | texts | ids | more)


def fault_of(sdk, vendor, method):
    """What is not as the table has it; empty if all is."""
    kind = fate_of(method).kind
    vendor.seen.clear()
    vendor.faults.clear()
    try:
        send(sdk, method.name)
    except openai.APIError as error:
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
    methods = sdk_methods()
    faults = {it.name: fault for it in methods if (fault := fault_of(sdk, vendor, it))}
    assert faults == {}
    assert len(methods) > 300
