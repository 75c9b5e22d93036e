"""From an alarm to its class and policy. Pure."""

from __future__ import annotations

from dispatch.incident.policy import Policies, Policy
from dispatch.incident.states import IncidentClass
from dispatch.model import Band, Key

CLASS_OF = {Key.WORKER_SAFETY: IncidentClass.SAFETY, Key.POSSIBLE_GAP: IncidentClass.CENTRE}


def class_of(kind: Key) -> IncidentClass:
    """The class of incident a kind of alarm opens; a person who needs help unless said otherwise."""
    return CLASS_OF.get(kind, IncidentClass.CARE)


def policy_for(kind: Key, policies: Policies) -> Policy:
    """The policy of a kind. A human press is never below band 1 unless its key says service or consult."""
    policy = policies[kind]
    assert policy.band <= Band.URGENT or kind in {Key.SERVICE, Key.CONSULT}, f"{kind} may not be below band 1"
    return policy
