"""What a broken connection becomes: for the client an error without addresses, for the log why."""

import socket
import ssl
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from tornado_router.calls.upstream.aiohttp_failures import failure

VENDOR = "https://user:password@api.vendor.test/v1/chat?key=sk-secret"
KEY = ConnectionKey("proxy.corp", 3128, False, True, None, None, None)


def certificate_error():
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    return aiohttp.ClientConnectorCertificateError(KEY, error)


def tls_error():
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    error.reason = "WRONG_VERSION_NUMBER"
    return aiohttp.ClientConnectorSSLError(KEY, error)


UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
INFO = SimpleNamespace(real_url=URL(VENDOR))


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            aiohttp.ClientConnectorDNSError(KEY, UNKNOWN),
            "connection_error",
            "api.vendor.test: Name or service not known",
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError(101, "Network is unreachable")),
            "connection_error",
            "api.vendor.test: Network is unreachable",
        ),
        (
            aiohttp.ClientProxyConnectionError(KEY, OSError(111, "Connection refused")),
            "proxy_error",
            "proxy.corp:3128: Connection refused",
        ),
        (certificate_error(), "tls_error", "api.vendor.test: certificate has expired"),
        (tls_error(), "tls_error", "api.vendor.test: WRONG_VERSION_NUMBER"),
        (
            ConnectionResetError(104, "Connection reset by peer"),
            "connection_error",
            "reset by peer",
        ),
        (aiohttp.ServerDisconnectedError(), "connection_error", "Server disconnected"),
        (
            aiohttp.ConnectionTimeoutError(f"Connection timeout to host {VENDOR}"),
            "timeout",
            "api.vendor.test: no response in time",
        ),
        (TimeoutError(), "timeout", "api.vendor.test: no response in time"),
        (
            aiohttp.ClientResponseError(INFO, (), status=200, message="Bad chunk"),
            "connection_error",
            "api.vendor.test: Bad chunk",
        ),
        (aiohttp.ClientPayloadError(), "connection_error", "api.vendor.test: ClientPayloadError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_cause_is_for_the_log_alone(error, code, words):
    made = failure("v", error, VENDOR)
    assert made.code == code
    assert words in made.words
    for secret in ("password", "sk-secret", "/v1"):
        assert secret not in made.words
    for place in ("vendor.test", "proxy.corp"):
        assert place not in made.message


@pytest.mark.parametrize("url", ["", "https://[::1", "nonsense"])
def test_any_url_will_do(url):
    assert failure("v", TimeoutError(), url).words == "no response in time"
