"""The parts of Peewee that other rooms use: imported from here, it has loaded no driver."""

from peewee import CharField, DatabaseError, IntegrityError, chunked, fn

__all__ = ["CharField", "DatabaseError", "IntegrityError", "chunked", "fn"]
