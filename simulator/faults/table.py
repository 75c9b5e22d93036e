"""All faults, in the order in which they are made to happen."""

from __future__ import annotations

from simulator.faults.of_broker import BROKER
from simulator.faults.of_clocks import CLOCKS
from simulator.faults.of_database import DATABASE
from simulator.faults.of_ingest import INGEST
from simulator.faults.of_load import LOAD
from simulator.faults.of_services import SERVICES
from simulator.faults.of_viewers import VIEWERS

FAULTS = (*SERVICES, *DATABASE, *BROKER, *INGEST, *CLOCKS, *LOAD, *VIEWERS)
