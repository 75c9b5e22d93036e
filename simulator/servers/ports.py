"""Free ports of the loopback."""

from __future__ import annotations

import itertools
import os
import socket

from dispatch.errors import Refused, Unreachable

FIRST, LAST = 20_000, 32_000
"""Below the range from which the kernel takes the ports of outgoing connections: there, ten thousand clients of ours
could sit on the port of a server that is being restarted."""

_steps = itertools.count(os.getpid() * 7)
"""Two sessions that start together look in different places, and no port is handed out twice before it is in use."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(wanted: int | None, server: str) -> int:
    """The wanted port, or any free one for None.

    Raises `Refused` (code `port_busy`) if the wanted one is taken.
    """
    if wanted is not None:
        if not is_free(wanted):
            raise Refused("port_busy", server=server, port=wanted)
        return wanted
    for _ in range(LAST - FIRST):
        port = FIRST + next(_steps) % (LAST - FIRST)
        if is_free(port):
            return port
    raise Unreachable("no_free_port", first=FIRST, last=LAST)
