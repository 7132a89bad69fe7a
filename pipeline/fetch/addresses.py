"""Which addresses and programs the process that fetches may use. It holds for every library in the process.

An audit hook of Python sees each connection with the address that it goes to, after DNS and in every redirect, so a name that
first resolves to a public address and then to a private one gains nothing. A process cannot remove a hook: `guard` is for child
processes that do nothing but fetch. Other processes need private addresses, as of a cloud's metadata server.
"""

import ipaddress
import os
import socket
import sys
from collections.abc import Iterable
from typing import Any

from longtake.pipeline.fetch.failure import FetchError
from longtake.schemas.reasons import Reason

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_INTERNET = (socket.AF_INET, socket.AF_INET6)
_PROGRAMS = ("deno",)  # runs the scripts of a site for yt-dlp, without access to files and network
_STARTS = frozenset({"os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "pty.spawn"})
_SENDS = frozenset({"socket.sendto", "socket.sendmsg"})


class UnsafeAddress(FetchError):
    """The process may not connect there. No OSError, so that no library tries the next address."""

    def __init__(self, host: str) -> None:
        super().__init__(Reason.UNSAFE_URL, f"{host} is a private address; fetch.allow_private can allow it")

    def __reduce__(self) -> Any:
        return FetchError, (self.reason, self.message)


class _Rules:
    """What the hook of this process allows. None: no hook yet."""

    allowed: tuple[Network, ...] | None = None
    everything = False
    proxy: frozenset[tuple[str, int]] = frozenset()
    refused: UnsafeAddress | None = None


def guard(allow_private: bool | Iterable[str], proxy: tuple[str, int] | None = None) -> None:
    """Let this process connect only to public addresses, the networks in `allow_private` and the `proxy`, from now on.

    Args:
        allow_private: True for any address; or networks such as 10.1.0.0/16.
        proxy: host and port of the proxy.
    """
    if _Rules.allowed is None:
        sys.addaudithook(_watch)
    _Rules.everything = allow_private is True
    networks = () if isinstance(allow_private, bool) else tuple(allow_private)
    _Rules.allowed = tuple(ipaddress.ip_network(network) for network in networks)
    found = socket.getaddrinfo(proxy[0], proxy[1], type=socket.SOCK_STREAM) if proxy else []
    _Rules.proxy = frozenset((str(address[4][0]), int(address[4][1])) for address in found)


def refused() -> UnsafeAddress | None:
    """Return the last refusal since the last call: a library may have hidden it in an error of its own."""
    last, _Rules.refused = _Rules.refused, None
    return last


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet, also the one that an IPv6 address holds inside."""
    if isinstance(address, ipaddress.IPv6Address):
        inner: Address | None = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            inner = address.teredo[1]
        if address in _NAT64 or int(address) >> 32 == 0:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def check_host(host: str) -> None:
    """Raise UnsafeAddress if a host is written as an address that this process may not use. Behind a proxy nothing else can be
    checked: the proxy looks names up."""
    if _Rules.proxy and not _Rules.everything:
        if host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost"):
            _refuse(host)
        try:
            literal = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return
        _check(literal, host)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        sock, address = arguments
        _check_connection(sock.family, address)
    elif event in _SENDS:
        if arguments[1] is not None and not _Rules.everything:
            _refuse(str(arguments[1]))
    elif event == "subprocess.Popen":
        if os.path.basename(os.fsdecode(arguments[0] or arguments[1][0])) not in _PROGRAMS:
            raise PermissionError(f"a process that fetches may not start {arguments[0]!r}")
    elif event in _STARTS:
        raise PermissionError(f"a process that fetches may not start programs ({event})")


def _check_connection(family: int, address: Any) -> None:
    if _Rules.everything:
        return
    if family not in _INTERNET or not isinstance(address, tuple):
        _refuse(str(address))
    host = str(address[0])
    if (host, address[1]) in _Rules.proxy:
        return
    try:
        literal = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # a name: it would be looked up without us
        _refuse(host)
        return
    _check(literal, host)


def _check(address: Address, host: str) -> None:
    allowed = any(address in network for network in _Rules.allowed or () if network.version == address.version)
    if not allowed and not is_public(address):
        _refuse(host)


def _refuse(host: str) -> None:
    _Rules.refused = UnsafeAddress(host)
    raise _Rules.refused
