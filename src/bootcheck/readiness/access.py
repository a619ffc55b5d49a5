"""Who may ask, and who is told more than whether: by the network that a request comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from bootcheck.model.errors import SettingError

DETAILS = ("private", "always", "never")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Access:
    """The networks that are answered, and those that are told details."""

    def __init__(self, allow: Sequence[str] | None = None, details: str = "private") -> None:
        """`allow` None answers everybody. Details are for `private` addresses, `always`, or `never`."""
        self._allow = None if allow is None else tuple(_network(text) for text in allow)
        if details not in DETAILS:
            msg = f"details={details!r} is not one of {', '.join(DETAILS)}"
            raise SettingError(msg)
        self._details = details

    def answered(self, client: str) -> bool:
        """Tell whether a client at this address is answered at all."""
        if self._allow is None:
            return True
        address = _address(client)
        # A unix socket has no address: who may open it is the file system's to say.
        return address is None or any(address in network for network in self._allow)

    def detailed(self, client: str, *, forwarded: bool) -> bool:
        """Tell whether it is told details; what came through a proxy may come from anywhere."""
        if self._details != "private":
            return self._details == "always"
        address = _address(client)
        return not forwarded and (address is None or address.is_private or address.is_loopback)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        msg = f"allow holds {text!r}, which is no network. Write for example allow=['10.0.0.0/8', '::1']."
        raise SettingError(msg) from None


def _address(client: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
