"""More quantities of usage: tokens of audio and images, images, seconds, characters, searches."""

COLUMNS = {
    "audio_prompt_tokens": "INTEGER",
    "audio_completion_tokens": "INTEGER",
    "image_prompt_tokens": "INTEGER",
    "image_completion_tokens": "INTEGER",
    "images": "INTEGER",
    "seconds": "DOUBLE PRECISION",
    "characters": "INTEGER",
    "searches": "INTEGER",
}


def up(migrator, db):
    for name, kind in COLUMNS.items():
        wide = kind.replace("INTEGER", "BIGINT")
        db.execute_sql(f"ALTER TABLE usage_logs ADD COLUMN {name} {kind} NOT NULL DEFAULT 0")
        db.execute_sql(f"ALTER TABLE usage_days ADD COLUMN {name} {wide} NOT NULL DEFAULT 0")


def down(migrator, db):
    for name in COLUMNS:
        db.execute_sql(f"ALTER TABLE usage_logs DROP COLUMN {name}")
        db.execute_sql(f"ALTER TABLE usage_days DROP COLUMN {name}")
