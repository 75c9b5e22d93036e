"""The town of the flows is the town of these tests as well."""

from tests.flows.conftest import clock, town

__all__ = ["clock", "town"]
