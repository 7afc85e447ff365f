"""The story of one call: admitted, sent to a provider, delivered and accounted for.

Nothing here knows HTTP; what clients speak and what vendors speak is for others to know.
"""
