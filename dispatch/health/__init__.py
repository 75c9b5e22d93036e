"""What readings mean: pure. Readings and limits in, crossed limits and alarms out."""
