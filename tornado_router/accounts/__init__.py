"""Users, keys, sessions and plans: services that HTTP and the command line both call.

Nothing here knows HTTP, a terminal or a call to a model.
"""
