"""TLS of the router: its certificate, and reloading it once it is renewed."""

from __future__ import annotations

import ssl
from pathlib import Path

from tornado_router.config.reader import Config
from tornado_router.errors import ConfigError, Fault
from tornado_router.http.certificate import not_after


class Tls:
    """TLS 1.2 or newer, with the router's certificate.

    Args:
        certificate: PEM file with the certificate, followed by its intermediate certificates.
        key: PEM file with its private key.

    Attributes:
        files: the two of them.
        context: for the server.
        not_after: when the certificate expires, in seconds since 1970.

    Raises:
        ConfigError: they cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self.files = certificate, key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.load()

    def load(self) -> None:
        """Reads the files again; open connections keep what they have.

        Raises:
            ConfigError: they cannot be used; the previous pair stays in use.
        """
        certificate, key = self.files
        try:
            # A pair that does not match must not replace half of one that does.
            self._load_into(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            self._load_into(self.context)
            self.not_after = not_after(certificate.read_bytes())
        except ssl.SSLError as error:
            why = f"{certificate} and {key} are not a certificate and its key: {error.reason}"
            raise ConfigError([Fault("server.tls_certificate", why)]) from None
        except OSError as error:
            why = f"{certificate} or {key} cannot be read: {error.strerror}"
            raise ConfigError([Fault("server.tls_certificate", why)]) from None

    def _load_into(self, context: ssl.SSLContext) -> None:
        certificate, key = self.files

        def refuse() -> str:
            # Without this, OpenSSL would ask for a passphrase on the terminal and wait.
            why = f"{key} is encrypted; decrypt it: openssl pkey -in {key} -out NEW_FILE"
            raise ConfigError([Fault("server.tls_key", why)])

        context.load_cert_chain(certificate, key, refuse)


def read_tls(config: Config) -> Tls | None:
    """The TLS of a configuration, or None.

    Raises:
        ConfigError: it cannot be used.
    """
    options = config.server
    if not options.tls_certificate and not options.tls_key:
        return None
    if not options.tls_certificate or not options.tls_key:
        missing = "tls_key" if options.tls_certificate else "tls_certificate"
        why = "is missing: TLS needs a certificate and its key"
        raise ConfigError([Fault(f"server.{missing}", why)])
    return Tls(config.folder / options.tls_certificate, config.folder / options.tls_key)
