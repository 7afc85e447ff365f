"""The environment variables that a supervisor sets for its workers."""

from __future__ import annotations

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The folder where workers count together. Prometheus's client reads it, too."""

NUMBER_VARIABLE = "TORNADO_ROUTER_WORKER_NUMBER"
"""Which of the workers a process is."""

RESTARTS_VARIABLE = "TORNADO_ROUTER_WORKER_RESTARTS"
"""How often a supervisor has started a worker again until this one."""
