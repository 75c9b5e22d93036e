"""From an alarm to the class of its incident; its band and policy are data (`policy`). Pure."""

from __future__ import annotations

from dispatch.incident.states import IncidentClass
from dispatch.model import CENTRE_KEYS, Key

CLASS_OF = {Key.WORKER_SAFETY: IncidentClass.SAFETY} | dict.fromkeys(CENTRE_KEYS, IncidentClass.CENTRE)


def class_of(kind: Key) -> IncidentClass:
    """The class of incident a kind of alarm opens; a person who needs help unless said otherwise."""
    return CLASS_OF.get(kind, IncidentClass.CARE)
