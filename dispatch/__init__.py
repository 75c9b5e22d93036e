"""One-key emergency call and dispatch centre: one press, one person at the door."""
