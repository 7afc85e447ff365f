"""The tables, the databases that hold them, and their migrations, locks and copies.

Other rooms take Peewee's parts from `storage.sql`: see `storage.drivers`.
"""

from tornado_router.storage import drivers

__all__ = ["drivers"]
