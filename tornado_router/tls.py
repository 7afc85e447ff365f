"""The certificate that the router shows, and takes up anew when it was renewed."""

from __future__ import annotations

import ssl
from pathlib import Path

from tornado_router.config import Config
from tornado_router.errors import ConfigError, Fault


class Tls:
    """How the router speaks TLS, 1.2 or newer.

    Args:
        certificate: PEM file with the certificate and those between it and its authority.
        key: PEM file with its private key.

    Attributes:
        context: to serve with.

    Raises:
        ConfigError: they cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.load()

    def load(self) -> None:
        """Reads the files anew; connections that are open keep what they have.

        Raises:
            ConfigError: they cannot be used; what was read before holds.
        """
        certificate, key = self._files
        try:
            # A pair that does not fit must not half replace one that does.
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
            self.context.load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            why = f"{certificate} and {key} are no certificate with its key: {error.reason}"
            raise ConfigError([Fault("server.tls_certificate", why)]) from None
        except OSError as error:
            why = f"{certificate} or {key} cannot be read: {error.strerror}"
            raise ConfigError([Fault("server.tls_certificate", why)]) from None


def read_tls(config: Config) -> Tls | None:
    """What a configuration says of TLS; None if it says nothing.

    Raises:
        ConfigError: it cannot be used.
    """
    options = config.server
    if not options.tls_certificate and not options.tls_key:
        return None
    if not options.tls_certificate or not options.tls_key:
        lacks = "tls_key" if options.tls_certificate else "tls_certificate"
        raise ConfigError([Fault(f"server.{lacks}", "lacks: TLS needs a certificate and its key")])
    return Tls(config.folder / options.tls_certificate, config.folder / options.tls_key)
