"""Lets Redis' clock jump: what the limits take for its time is so many seconds ahead.

Python imports it at its start, as the folder is on the path. The key `proof:ahead` says how many.
"""

from tornado_router.limits import redis

CLOCK = """(function()
  local time = redis.call('TIME')
  return { time[1] + (redis.call('GET', 'proof:ahead') or 0), time[2] }
end)()"""

redis.SCRIPT = redis.SCRIPT.replace("redis.call('TIME')", CLOCK)
redis.SCRIPT_DIGEST = redis.digest(redis.SCRIPT)
