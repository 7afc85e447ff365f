"""An endpoint whose responses are bytes, for tests: the product has none yet."""

import sys

from tornado_router.endpoints import ENDPOINTS, OPENAI, Endpoint
from tornado_router.endpoints.base import Documentation
from tornado_router.endpoints.binary import BytesEncoder, whole_bytes
from tornado_router.usage import Usage


class Speech(Endpoint):
    name = "audio.speech"
    path = "/v1/audio/speech"
    dialect = OPENAI
    prompt_field = "input"
    streams = True
    documentation = Documentation(summary="Make speech")

    def read(self, call_id, body, raw):
        call = super().read(call_id, body, raw)
        call.stream = body.get("stream_format") == "audio"
        return call

    def estimate(self, call, generated=0):
        return Usage(prompt_tokens=len(call.body["input"]), estimated=True)

    def whole(self, call, response, model=None):
        return whole_bytes(response, lambda: self.estimate(call))

    def encoder(self, call, model=None):
        return BytesEncoder(lambda: self.estimate(call))


SPEECH = Speech()


def register_speech(monkeypatch):
    """Adds it wherever endpoints are looked up."""
    extended = {**ENDPOINTS, SPEECH.name: SPEECH}
    for module in list(sys.modules.values()):
        if getattr(module, "ENDPOINTS", None) is ENDPOINTS:
            monkeypatch.setattr(module, "ENDPOINTS", extended)
