"""What terminals say, from the broker to where it is safe; only then is it acknowledged.

`lanes` holds the three connections, which share nothing; `intake` is what each does with its messages; `uses` is where
what was understood goes.
"""

from dispatch.ingest.intake import Intake, IntakeCounts
from dispatch.ingest.lanes import Lanes
from dispatch.ingest.uses import Housekeeping, Sinks

__all__ = ["Housekeeping", "Intake", "IntakeCounts", "Lanes", "Sinks"]
