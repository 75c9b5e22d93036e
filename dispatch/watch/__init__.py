"""Who watches the service itself: an auditor, a canary, whether anybody is at a board, what could not be stored.

What is wrong with the centre is an incident of class `centre`, which closes by itself when it has passed.
"""

from dispatch.watch.auditor import Auditor, Verdict
from dispatch.watch.canary import Bird, Canary, Sight
from dispatch.watch.homes import HomesInMemory, HomeTold
from dispatch.watch.rooms import Rooms
from dispatch.watch.troubles import Troubles
from dispatch.watch.unstored import Line, Unstored, Waiting
from dispatch.watch.watcher import Limits, Watcher

__all__ = [
    "Auditor",
    "Bird",
    "Canary",
    "HomeTold",
    "HomesInMemory",
    "Limits",
    "Line",
    "Rooms",
    "Sight",
    "Troubles",
    "Unstored",
    "Verdict",
    "Waiting",
    "Watcher",
]
