"""A town that plays against the service: terminals, workers and operators, their habits and their faults."""
