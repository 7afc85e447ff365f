"""How many calls of a day cost 0 because their model had no price."""

COUNT = """
    UPDATE usage_days SET unpriced = counted.calls
    FROM (
        SELECT DATE(created_at) AS day, COALESCE(user_id, 0) AS user_id,
            COALESCE(api_key_id, 0) AS api_key_id, provider, model, COUNT(*) AS calls
        FROM usage_logs
        WHERE prices IS NULL AND provider IS NOT NULL AND NOT cache_hit AND total_tokens > 0
        GROUP BY DATE(created_at), COALESCE(user_id, 0), COALESCE(api_key_id, 0), provider, model
    ) AS counted
    WHERE usage_days.day = counted.day AND usage_days.user_id = counted.user_id
        AND usage_days.api_key_id = counted.api_key_id AND usage_days.provider = counted.provider
        AND usage_days.model = counted.model
"""


def up(migrator, db):
    db.execute_sql("ALTER TABLE usage_days ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0")
    db.execute_sql(COUNT)


def down(migrator, db):
    db.execute_sql("ALTER TABLE usage_days DROP COLUMN unpriced")
