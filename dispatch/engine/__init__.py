"""The one place where decisions become durable: lock, decide, save, log, outbox, commit; in batches.

`Engine` (committer) gathers what is handed in into batches; `Batch` (batch) is one transaction; `items` says what may
be handed in and what comes back; `outgoing` turns effects into rows.
"""

from dispatch.engine.committer import Engine
from dispatch.engine.items import Committed, FireDue, Happen, Item, OpenByHand, Outcome, Part, RaiseAlarm

__all__ = ["Committed", "Engine", "FireDue", "Happen", "Item", "OpenByHand", "Outcome", "Part", "RaiseAlarm"]
