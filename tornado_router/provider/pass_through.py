"""Requests for a vendor's own API that go there as they are; the core holds their owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tornado_router.provider.http import Upload, UpstreamRequest


@dataclass(frozen=True, slots=True)
class PassThrough:
    """A request of a client, as it may go on: `Provider.pass_through` puts URL and key to it.

    Attributes:
        method: of it.
        path: in the vendor's own API with its version, such as `/v1/files/file-1`; encoded.
        query: encoded, without the question mark; empty for none. No credential is in it.
        headers: those that may go on, by their names in lower case. No credential is among them.
        body: of it; empty for none.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Upload = field(default=b"", repr=False)

    def to(self, root: str, headers: Mapping[str, str]) -> UpstreamRequest:
        """The request to a vendor.

        Args:
            root: where the vendor's API is, without a version.
            headers: of the provider, its key among them; they win over the client's. Of their
                content type only that of a body stays, as the client sent it.
        """
        own = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        names = {name.lower() for name in own}
        kept = {name: value for name, value in self.headers.items() if name not in names}
        query = f"?{self.query}" if self.query else ""
        return UpstreamRequest(root + self.path + query, self.body, {**kept, **own}, self.method)
