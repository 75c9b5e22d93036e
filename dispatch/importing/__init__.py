"""CSV files of the register (stations, elders with their homes, terminals, workers, contacts) into the database.

`source` reads files into records, `columns` says what each kind of file may hold, `load` brings them in. What a person
preparing such files needs to know stands in `docs/import.md`.
"""

from dispatch.importing.load import Report, import_files

__all__ = ["Report", "import_files"]
