"""The class that an author derives the test of a provider from."""

from __future__ import annotations

from tornado_router.testing.rules.declaration import DeclarationRules
from tornado_router.testing.rules.endpoints import EndpointRules
from tornado_router.testing.rules.failures import FailureRules
from tornado_router.testing.rules.memory import MemoryRules
from tornado_router.testing.rules.requests import RequestRules
from tornado_router.testing.rules.responses import ResponseRules
from tornado_router.testing.rules.secrecy import SecrecyRules
from tornado_router.testing.rules.streams import StreamRules
from tornado_router.testing.rules.transport import TransportRules
from tornado_router.testing.rules.unsupported import UnsupportedRules


class ProviderConformance(
    TransportRules,
    MemoryRules,
    SecrecyRules,
    FailureRules,
    StreamRules,
    ResponseRules,
    EndpointRules,
    UnsupportedRules,
    RequestRules,
    DeclarationRules,
):
    """What clients of the router rely on, as tests of one provider.

    A subclass gives a fixture `provider` that returns it, configured, with a made-up value of 12
    characters or more for each secret. A rule about a capability that the provider does not
    declare is skipped, and the summary of pytest says so.

    Attributes:
        recordings: the folder of recorded responses, as `tornado_router.testing.recordings` has it;
            None for a provider that responds in process, without a vendor.
        examples: how hard it tries: so many requests are made up for each endpoint, and about
            twice as many ways to cut and to spoil each recorded response.
    """
