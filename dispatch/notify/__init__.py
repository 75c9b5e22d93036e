"""Messages out: `sender` empties the outbox; each file with an `open_channel` is one way to reach somebody."""
