"""Which targets serve a model, in which order: routes, selection, health, retries, prices."""
