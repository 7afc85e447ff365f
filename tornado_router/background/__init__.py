"""Work that runs beside calls: threads, and the batches that they write.

Nothing here knows what the work is for.
"""
