"""The one place where decisions become durable: lock, decide, save, log, outbox, commit; in batches.

`engine` is where items are handed in; `committer` gathers them into batches; `new_calls` and `due_clocks` commit those
that need no lock, and `turns` keeps apart what might meet; `batch` decides one, on what `ground` has locked and read,
and `saving` writes it; `items` says what may be handed in and what comes back; `outgoing` turns effects into rows;
`lease` says which process dispatches.
"""

from dispatch.engine.engine import Engine
from dispatch.engine.items import (
    Committed,
    FireDue,
    Happen,
    Item,
    OpenByHand,
    Outcome,
    Part,
    RaiseAlarm,
    RaiseByService,
)

__all__ = [
    "Committed",
    "Engine",
    "FireDue",
    "Happen",
    "Item",
    "OpenByHand",
    "Outcome",
    "Part",
    "RaiseAlarm",
    "RaiseByService",
]
