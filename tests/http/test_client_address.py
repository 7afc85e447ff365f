"""Who asks, where proxies stand before the router."""

import pytest

from tornado_router.http.client_address import check_proxies, client_address

TRUSTED = ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["1.2.3.4"], "203.0.113.5"),  # nobody who is trusted says so
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", ["1.2.3.4"], "1.2.3.4"),
        ("192.0.2.1", ["1.2.3.4"], "1.2.3.4"),
        ("192.0.2.2", ["1.2.3.4"], "192.0.2.2"),
        ("10.1.1.1", ["1.2.3.4, 10.2.2.2"], "1.2.3.4"),
        ("10.1.1.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),  # the first was made up
        ("10.1.1.1", ["6.6.6.6", "1.2.3.4 ,10.2.2.2"], "1.2.3.4"),
        ("10.1.1.1", ["10.9.9.9, 10.2.2.2"], "10.9.9.9"),
        ("10.1.1.1", ["unknown"], "10.1.1.1"),
        ("10.1.1.1", ["1.2.3.4, "], "10.1.1.1"),
        ("::ffff:10.1.1.1", ["1.2.3.4"], "1.2.3.4"),
        ("2001:db8::1", ["2001:db9::7"], "2001:db9::7"),
        ("", ["1.2.3.4"], ""),
        ("10.1.1.1", ["1.2.3.4:5678"], "1.2.3.4"),
        ("10.1.1.1", ["6.6.6.6, 1.2.3.4:5678, 10.2.2.2:80"], "1.2.3.4"),
        ("10.1.1.1", ["[2001:db9::1]:443"], "2001:db9::1"),
        ("10.1.1.1", ["[2001:db9::1]"], "2001:db9::1"),
        ("10.1.1.1", ["1.2.3.4, [2001:db8::2]:443"], "1.2.3.4"),
        ("10.1.1.1", ["[unknown]:443"], "10.1.1.1"),
        ("10.1.1.1", ["unknown:443"], "10.1.1.1"),
        ("10.1.1.1", [":443"], "10.1.1.1"),
    ],
)
def test_client_address(peer, forwarded_for, address):
    assert client_address(peer, forwarded_for, TRUSTED) == address


def test_nobody_is_trusted_unless_named():
    assert client_address("10.1.1.1", ["1.2.3.4"], ()) == "10.1.1.1"


def test_what_is_no_network():
    assert check_proxies(TRUSTED) == []
    (fault,) = check_proxies(("10.0.0.0/8", "proxy.example"))
    assert str(fault).startswith("server.trusted_proxies[1]: is not an address or a network")


@pytest.mark.parametrize(
    ("text", "meant"), [("10.0.0.1/8", "10.0.0.0/8"), ("2001:db8::1/32", "2001:db8::/32")]
)
def test_a_network_with_an_address_in_it_is_told_what_it_may_mean(text, meant):
    (fault,) = check_proxies((text,))
    assert str(fault).endswith(f"{text!r}; for the whole network, write {meant}")
