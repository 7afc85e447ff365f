"""The database refuses credits below zero, also those of a script of the operator's.

A balance below zero of an older version is raised to zero by an entry, as what was put in is the
sum of the entries.
"""

from datetime import datetime, timezone

from peewee import PostgresqlDatabase

CHECK = "CONSTRAINT users_money CHECK (credits >= 0 AND spent >= 0)"

RAISE = """
    INSERT INTO credit_entries (user_id, amount, balance, kind, reason, actor, created_at)
    SELECT id, -credits, 0, 'adjust', 'The balance was below zero.', 'migration', {now}
    FROM users WHERE credits < 0
"""


def up(migrator, db):
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    db.execute_sql(RAISE.format(now=db.param), (now,))
    db.execute_sql("UPDATE users SET credits = 0 WHERE credits < 0")
    if isinstance(db, PostgresqlDatabase):
        db.execute_sql(f"ALTER TABLE users ADD {CHECK}")
    else:
        replace(db, lambda sql: f"{sql[:-1]}, {CHECK})")


def down(migrator, db):
    if isinstance(db, PostgresqlDatabase):
        db.execute_sql("ALTER TABLE users DROP CONSTRAINT users_money")
    else:
        replace(db, lambda sql: sql.replace(f", {CHECK}", ""))


def replace(db, altered):
    """Copies the table into one that is declared otherwise, as SQLite cannot add a constraint.

    https://sqlite.org/lang_altertable.html#otheralter; foreign keys are not enforced meanwhile.
    """
    found = db.execute_sql("SELECT type, sql FROM sqlite_master WHERE tbl_name = 'users'").fetchall()
    (table,) = [sql for kind, sql in found if kind == "table"]
    indexes = [sql for kind, sql in found if kind == "index" and sql]
    db.execute_sql(altered(table).replace('"users"', '"users_altered"', 1))
    db.execute_sql("INSERT INTO users_altered SELECT * FROM users")
    db.execute_sql("DROP TABLE users")
    db.execute_sql("ALTER TABLE users_altered RENAME TO users")
    for index in indexes:
        db.execute_sql(index)
