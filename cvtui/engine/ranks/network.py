"""The network interface by which gloo reaches ranks on other machines.

gloo takes the address that this machine's own name has. On Debian and Ubuntu that is 127.0.1.1 (/etc/hosts), where no
other machine finds it ("connectFullMesh failed … remote=[127.0.1.1]").
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence

VARIABLE = "GLOO_SOCKET_IFNAME"
"""Environment variable that names gloo's interface."""
_ADDRESS_OF = 0x8915
"""Linux: request for the address of an interface (SIOCGIFADDR)."""


def address_towards(host: str) -> str:
    """Return the IPv4 address of this machine that packets to `host` leave from; "" without a way there."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # nothing is sent
            probe.connect((host, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def choose_interface(others: Sequence[str]) -> None:
    """Name gloo the interface that leads to one of the addresses `others`, where its own choice reaches nobody."""
    if VARIABLE in os.environ or not _is_inner(_own_address()):
        return
    for other in others:
        mine = "" if _is_inner(other) else address_towards(other)
        if mine != other and not _is_inner(mine) and (name := _interface(mine)):
            os.environ[VARIABLE] = name
            return


def _own_address() -> str:
    """Return the address that this machine's name has; "" where it has none."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return ""


def _is_inner(address: str) -> bool:
    """Return True for an address that only this machine reaches."""
    return not address or address.startswith("127.")


def _interface(address: str) -> str:
    """Return the name of the interface with this address; "" without one."""
    try:
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            for _, name in socket.if_nameindex():
                try:
                    found = fcntl.ioctl(any_socket.fileno(), _ADDRESS_OF, struct.pack("256s", name.encode()))
                except OSError:  # an interface without an address
                    continue
                if socket.inet_ntoa(found[20:24]) == address:
                    return name
    except (ImportError, OSError):  # Windows
        pass
    return ""
