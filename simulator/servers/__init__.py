"""The two real servers that the demo, the tests and the benchmarks run: PostgreSQL and Mosquitto.

Both are started, watched and ended by us, listen on the loopback only, and cannot outlive the process that started
them.
"""

from simulator.servers.mosquitto import MosquittoServer
from simulator.servers.postgres import PostgresServer

__all__ = ["MosquittoServer", "PostgresServer"]
