"""The board: its cards, its API on a real database, its streams."""
