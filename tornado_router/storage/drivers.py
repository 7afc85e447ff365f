"""Peewee without the driver of PostgreSQL, which it is given once there is such a database.

Peewee loads whatever driver is installed when it is imported: 7 MB and a quarter of a start, for a
router on SQLite as well. `storage/__init__` imports this module before any other imports Peewee.
"""

from __future__ import annotations

import sys

_DRIVER = "psycopg"

if "peewee" not in sys.modules and _DRIVER not in sys.modules:
    sys.modules[_DRIVER] = None  # type: ignore[assignment]  # so an import of it is an ImportError
    try:
        import peewee
        import playhouse.migrate  # which imports the driver, too  # noqa: F401
    finally:
        del sys.modules[_DRIVER]
else:
    import peewee


def load_driver() -> None:
    """Has Peewee use psycopg, as if it had been imported with Peewee.

    Raises:
        ImportError: it is not installed.
    """
    import psycopg  # noqa: PLC0415 - see above
    from psycopg.pq import TransactionStatus  # noqa: PLC0415
    from psycopg.types.json import Json, Jsonb  # noqa: PLC0415

    module, adapter = vars(peewee), peewee.Psycopg3Adapter
    if module["psycopg"] is None:
        module.update(
            psycopg=psycopg, TransactionStatus=TransactionStatus, Json_pg3=Json, Jsonb_pg3=Jsonb
        )
        adapter.txn_idle = TransactionStatus.IDLE
        adapter.txn_inerror = TransactionStatus.INERROR
        adapter.txn_unknown = TransactionStatus.UNKNOWN
