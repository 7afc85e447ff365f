"""The certificate that the router shows."""

import signal
import ssl
from datetime import UTC, datetime
from urllib.request import urlopen

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tornado_router.errors import ConfigError
from tornado_router.http.fronts import FRONTS
from tornado_router.http.tls import Tls

from ..support import connected, poll

pytestmark = pytest.mark.sqlite_suffices

TEXT = """
[server]
port = {port}
tls_certificate = "tls.crt"
tls_key = "tls.key"
[log]
format = "json"
[providers.echo]
type = "echo"
models = ["echo"]
"""


@pytest.fixture(params=FRONTS)
def http_front(request):
    """Every front."""
    return request.param


def write(folder, authority, **fields):
    """Puts a new certificate and its key there."""
    made = authority.issue_cert("router.example", **fields)
    made.private_key_pem.write_to_path(folder / "tls.key")
    chain = b"".join(part.bytes() for part in made.cert_chain_pems)
    (folder / "tls.crt").write_bytes(chain)


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def project(router_project, authority):
    project = router_project({"router.toml": TEXT.format(port=0)})
    write(project.folder, authority)
    return project


def shown(router):
    """The certificate that a client gets to see."""
    host, port = router.origin.removeprefix("https://").split(":")
    return ssl.get_server_certificate((host, int(port)))


class TestServed:
    def test_clients_that_trust_it_are_served(self, project, authority):
        router = project.serve()
        assert router.origin.startswith("https://")
        context = ssl.create_default_context()
        authority.configure_trust(context)
        context.check_hostname = False
        with urlopen(f"{router.origin}/health", context=context) as answer:
            assert answer.status == 200
            assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        asked = project.cli("health", "--url", router.origin)
        assert asked.returncode == 1
        assert (
            f"the certificate of {router.origin} is not trusted: " in asked.stderr
        )  # nobody vouches for the certificate

    def test_the_health_command_knows_its_own_router(self, project):
        router = project.serve()
        port = router.origin.rpartition(":")[2]
        (project.folder / "router.toml").write_text(TEXT.format(port=port))
        assert project.cli("health").stdout.startswith("ok: ")

    def test_a_renewed_one_is_taken_up_on_sighup(self, project, authority):
        router = project.serve()
        before = shown(router)
        write(project.folder, authority)
        router.send(signal.SIGHUP)
        poll(lambda: shown(router) != before)

    def test_a_watched_one_is_taken_up_once_its_key_is_there_too(self, project, authority):
        path = project.folder / "router.toml"
        path.write_text(path.read_text().replace("[server]", "[server]\nwatch = true"))
        router = project.serve()
        before = shown(router)
        made = authority.issue_cert("router.example")
        router.expect_log("are not a certificate and its key")
        (project.folder / "tls.crt").write_bytes(made.cert_chain_pems[0].bytes())
        poll(lambda: "was not loaded" in router.stderr)
        made.private_key_pem.write_to_path(project.folder / "tls.key")
        poll(lambda: shown(router) != before)

    def test_plain_http_on_its_port_is_no_reason_to_warn(self, project):
        router = project.serve()
        with connected(router.origin) as sock:
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            (line,) = poll(lambda: [x for x in router.log() if "HTTPS port" in x["message"]])
        assert line["message"] == "127.0.0.1 spoke HTTP to the HTTPS port"
        assert line["level"] == "info"

    def test_a_handshake_that_does_not_end_is_hung_up_on(self, project):
        path = project.folder / "router.toml"
        path.write_text(path.read_text().replace("[server]", "[server]\nbody_seconds = 0.5"))
        router = project.serve()
        with connected(router.origin) as sock:
            sock.sendall(b"\x16\x03\x01")  # the first bytes of a ClientHello
            assert sock.recv(100) == b""
        poll(lambda: "no complete request within body_seconds" in router.stderr)

    def test_metrics_say_when_it_expires(self, project, authority):
        path = project.folder / "router.toml"
        path.write_text(path.read_text() + "[metrics]\npublic = true\n")
        moment = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)
        write(project.folder, authority, not_after=moment)
        router = project.serve()
        context = ssl.create_default_context()
        authority.configure_trust(context)
        context.check_hostname = False
        with urlopen(f"{router.origin}/metrics", context=context) as answer:
            text = answer.read().decode()
        name = "tornado_router_certificate_not_after_timestamp_seconds"
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        assert float(line.split()[1]) == moment.timestamp()

    def test_one_that_does_not_fit_is_not_taken_up(self, project, authority):
        router = project.serve()
        before = shown(router)
        (project.folder / "tls.key").write_bytes(authority.issue_cert("b").private_key_pem.bytes())
        router.expect_log("was not loaded")
        router.send(signal.SIGHUP)
        poll(lambda: "was not loaded" in router.stderr)
        assert shown(router) == before


def test_nothing_older_than_1_2(tmp_path, authority):
    write(tmp_path, authority)
    tls = Tls(tmp_path / "tls.crt", tmp_path / "tls.key")
    assert tls.context.minimum_version == ssl.TLSVersion.TLSv1_2


class TestFaults:
    def test_half_of_it(self, router_project):
        text = TEXT.format(port=0).replace('tls_key = "tls.key"', "")
        ended = router_project({"router.toml": text}).cli("check")
        assert "server.tls_key: is missing: TLS needs a certificate and its key" in ended.stderr

    def test_files_that_are_not_there(self, router_project):
        ended = router_project({"router.toml": TEXT.format(port=0)}).cli("check")
        assert ended.returncode == 1
        assert "server.tls_certificate: " in ended.stderr
        assert "No such file" in ended.stderr

    def test_files_that_are_none(self, tmp_path):
        for name in ("tls.crt", "tls.key"):
            (tmp_path / name).write_text("hello")
        with pytest.raises(ConfigError, match="are not a certificate and its key"):
            Tls(tmp_path / "tls.crt", tmp_path / "tls.key")

    def test_an_encrypted_key_is_named_and_no_pass_phrase_is_asked_for(self, project):
        key = project.folder / "tls.key"
        plain = load_pem_private_key(key.read_bytes(), None)
        key.write_bytes(
            plain.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
            )
        )
        ended = project.cli("check")
        assert ended.returncode == 1
        assert "server.tls_key: " in ended.stderr
        assert "tls.key is encrypted; decrypt it: openssl pkey" in ended.stderr
        assert "PEM pass phrase" not in ended.stderr
