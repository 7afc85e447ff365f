"""When a certificate expires."""

import ssl
from datetime import UTC, datetime

import pytest
import trustme

from tornado_router.http.certificate import not_after


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC),
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),  # the last of two digits
        datetime(2050, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_it_is_what_the_certificate_says(moment):
    made = trustme.CA().issue_cert("router.example", not_after=moment)
    assert not_after(made.cert_chain_pems[0].bytes()) == moment.timestamp()


def test_the_first_of_a_chain_counts_whatever_stands_around_it():
    moment = datetime(2031, 5, 6, tzinfo=UTC)
    root = trustme.CA()
    made = root.create_child_ca().issue_cert("router.example", not_after=moment)
    chain = b"\n".join(part.bytes() for part in made.cert_chain_pems)
    text = made.private_key_pem.bytes() + b"subject=CN = router.example\n" + chain
    assert text.count(b"BEGIN CERTIFICATE") > 1
    assert not_after(text) == moment.timestamp()


def test_a_date_that_is_written_otherwise_is_not_guessed():
    moment = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    pem = trustme.CA().issue_cert("router.example", not_after=moment).cert_chain_pems[0].bytes()
    odd = ssl.PEM_cert_to_DER_cert(pem.decode()).replace(b"310506070809Z", b"3105060708+01")
    assert not_after(ssl.DER_cert_to_PEM_cert(odd).encode()) is None
