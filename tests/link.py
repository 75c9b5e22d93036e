"""A network that a test may silence, cut, or cut at the worst moment; the simulator's own."""

from simulator.servers.link import Link, through

__all__ = ["Link", "through"]
