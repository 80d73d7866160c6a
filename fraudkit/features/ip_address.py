"""IP addresses as text: their bytes, their network, and whether they are public."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final

__all__ = ["address_text", "ip_network", "is_public", "packed_ip"]

_MAPPED: Final = bytes(10) + b"\xff\xff"


def packed_ip(ip_address: str) -> bytes | None:
    r"""Return an address as 4 bytes of IPv4 or 16 of IPv6; ``None`` where the text is none.

    IPv4 in the form of IPv6 (RFC 4291, section 2.5.5.2) is IPv4. A zone (RFC 4007) is left out.

    Examples
    --------
    >>> packed_ip("192.0.2.7"), packed_ip("::ffff:192.0.2.7"), packed_ip("192.0.2.07")
    (b'\xc0\x00\x02\x07', b'\xc0\x00\x02\x07', None)
    """
    text = ip_address.strip()
    try:
        if ":" not in text:
            return inet_pton(AF_INET, text)
        packed = inet_pton(AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(_MAPPED) else packed


def address_text(packed: bytes) -> str:
    """Return the one text of an address (RFC 5952)."""
    return inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed)


def ip_network(ip_address: str | None) -> str | None:
    """Return the network that an address is in: /24 of IPv4, /48 of IPv6.

    A /48 is the most that one customer's line is given (RFC 6177); a /24 is the least that is
    routed on its own. Text that is no address has no network.

    Examples
    --------
    >>> ip_network("192.0.2.77"), ip_network("2001:DB8:0:1::7"), ip_network("::ffff:192.0.2.77")
    ('192.0.2.0/24', '2001:db8::/48', '192.0.2.0/24')
    >>> ip_network("192.0.2.777") is None
    True
    """
    packed = None if ip_address is None else packed_ip(ip_address)
    if packed is None:
        return None
    if len(packed) == 4:
        return f"{packed[0]}.{packed[1]}.{packed[2]}.0/24"
    return f"{inet_ntop(AF_INET6, packed[:6] + bytes(10))}/48"


def is_public(packed: bytes) -> bool:
    """Return whether an address can be a customer's on the internet.

    It cannot where the IANA registries of special-purpose addresses (RFC 6890) or of multicast
    say private, shared, local, reserved or for documentation, nor outside 2000::/3 (RFC 4291).
    Teredo and 6to4 addresses, which stand for an IPv4 address behind a relay, are not public.

    Examples
    --------
    >>> is_public(bytes([8, 8, 8, 8])), is_public(bytes([192, 168, 0, 1]))
    (True, False)
    """
    edges = _IPV4_EDGES if len(packed) == 4 else _IPV6_EDGES
    return bisect_right(edges, packed) % 2 == 0


def _edges(networks: str) -> list[bytes]:
    """Return the first address of each network and the first beyond it, ascending."""
    edges = []
    for network in map(ipaddress.ip_network, networks.split()):
        edges.append(network.network_address.packed)
        if network.broadcast_address.packed.strip(b"\xff"):
            edges.append((network.broadcast_address + 1).packed)
    return edges


_IPV4_EDGES: Final = _edges("""
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
    192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
    224.0.0.0/3
""")
_IPV6_EDGES: Final = _edges("::/3 2001::/23 2001:db8::/32 2002::/16 3fff::/20 4000::/2 8000::/1")
