"""Many limits, one atomic step: rates, calls in flight and money, in memory or in Redis.

Engines count and decide here; which limits hold for whom is up to the accounts.
"""
