"""Terminals: what kinds there are and what they say, who owns which, and whether they are still there."""
