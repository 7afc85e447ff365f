"""Work that runs beside calls: threads, tasks, loops and batches, under one supervisor.

Nothing here knows what the work is for.
"""
