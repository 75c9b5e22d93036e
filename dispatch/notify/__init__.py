"""Messages out: `sender` empties the outbox, and each other file with an `open_channel` is one way to reach somebody."""
