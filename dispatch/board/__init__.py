"""People looking: the JSON API, its live streams, and the pages."""
