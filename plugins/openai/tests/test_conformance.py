"""The conformance kit, for a provider that relays OpenAI's own format, and for vendors of it."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tornado_router.testing import ProviderConformance
from tornado_router_openai import OpenAI
from tornado_router_openai.presets import DeepSeek, Groq, Mistral

RECORDINGS = Path(__file__).parent / "recordings"
THINKING = Path(__file__).parent / "vendor_recordings"


def recordings_without(*names, endpoints=()):
    """OpenAI's recordings but some, and one of a tool call with reasoning."""
    folder = Path(tempfile.mkdtemp(prefix="recordings-"))
    others = ("completions", "responses*", *endpoints)
    ignored = shutil.ignore_patterns(*(f"{name}.*" for name in names), *others)
    shutil.copytree(RECORDINGS, folder, ignore=ignored, dirs_exist_ok=True)
    shutil.copytree(THINKING, folder, dirs_exist_ok=True)
    return folder


class TestOpenAI(ProviderConformance):
    recordings = RECORDINGS
    kind = OpenAI

    @pytest.fixture
    def provider(self):
        return self.kind("openai", {"api_key": "sk-canary-0123456789"})


class TestMistral(TestOpenAI):
    """One that is strict about fields, ids and arguments."""

    recordings = recordings_without(
        "logprobs", endpoints=("audio.speech", "audio.translations", "images.*")
    )
    kind = Mistral
    examples = 40


class TestGroq(TestOpenAI):
    """One that is strict about fields."""

    recordings = recordings_without("logprobs", "two", endpoints=("moderations", "images.*"))
    kind = Groq
    examples = 40


class TestDeepSeek(TestOpenAI):
    """One that wants its reasoning back."""

    recordings = recordings_without(
        endpoints=("moderations", "audio.speech", "audio.tr*", "images.*")
    )
    kind = DeepSeek
    examples = 40
