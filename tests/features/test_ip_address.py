"""Addresses of any form, held against the standard library and the IANA registries."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.features.ip_address import address_text, ip_network, is_public, packed_ip

RESERVED = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "::1/128", "64:ff9b::/96", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    "5f00::/16", "fc00::/7", "fe80::/10", "ff00::/8",
)  # fmt: skip
PUBLIC_BESIDE = (
    "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
    "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0",
    "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255",
    "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
    "2000::", "2000:ffff::1", "2001:200::", "2001:db7:ffff::", "2001:db9::", "2001:ffff::",
    "2003::", "3ffe::", "3fff:1000::",
)  # fmt: skip


def packed(text: str) -> bytes:
    held = packed_ip(text)
    assert held is not None
    return held


@given(address=st.ip_addresses())
def test_the_network_is_the_standard_librarys(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    width = 24 if address.version == 4 else 48
    if getattr(address, "ipv4_mapped", None) is None:
        expected = ipaddress.ip_network((address, width), strict=False)
        assert ip_network(str(address)) == str(expected)
        assert ip_network(address.exploded.upper()) == str(expected)
        assert address_text(packed(str(address))) == str(ipaddress.ip_address(address.packed))


@given(address=st.ip_addresses(v=4))
def test_ipv4_in_the_form_of_ipv6_is_ipv4(address: ipaddress.IPv4Address) -> None:
    assert ip_network(f"::ffff:{address}") == ip_network(str(address))
    assert packed(f"::ffff:{address}") == address.packed


@given(
    text=st.text(max_size=20) | st.text("0123456789.", max_size=15) | st.text("0:af.", max_size=39)
)
def test_what_is_no_address_has_no_network(text: str) -> None:
    try:
        ipaddress.ip_address(text.strip())
    except ValueError:
        is_address = "%" in text and ip_network(text.partition("%")[0]) is not None
    else:
        is_address = True
    assert (ip_network(text) is not None) == is_address


@pytest.mark.parametrize(
    "text", ["192.0.02.7", "192.0.2", "0x7f.1", "1.2.3.4.5", "1::2::3", "\0", ""]
)
def test_old_and_broken_forms_are_no_address(text: str) -> None:
    assert ip_network(text) is None


def test_nothing_has_no_network() -> None:
    assert ip_network(None) is None


def test_the_zone_of_a_local_address_is_left_out() -> None:
    assert ip_network("fe80::1%eth0") == "fe80::/48"


@pytest.mark.parametrize("network", RESERVED)
def test_the_ends_of_a_reserved_network_are_not_public(network: str) -> None:
    held = ipaddress.ip_network(network)
    assert not is_public(held.network_address.packed)
    assert not is_public(held.broadcast_address.packed)


@pytest.mark.parametrize("address", PUBLIC_BESIDE)
def test_what_stands_beside_a_reserved_network_is_public(address: str) -> None:
    assert is_public(packed(address))
