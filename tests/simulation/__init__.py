"""The town that plays against the service."""
