"""Finds a kept request by the id that its client knows."""


def up(migrator, db):
    db.execute_sql("CREATE INDEX request_logs_request_id ON request_logs (request_id)")


def down(migrator, db):
    db.execute_sql("DROP INDEX request_logs_request_id")
