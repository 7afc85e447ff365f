"""Documents what each route does by each of its methods: one entry an operation."""

from tornado_router.http.openapi.operations import (
    admin,
    auth,
    calls,
    keys,
    realtime,
    responses,
    service,
    usage,
)
from tornado_router.http.openapi.operations.base import (
    JSON,
    VENDOR,
    Operation,
    Operations,
    schema_of,
)

__all__ = ["JSON", "OPERATIONS", "VENDOR", "Operation", "schema_of"]

OPERATIONS: Operations = {
    **calls.OPERATIONS,
    **responses.OPERATIONS,
    **realtime.OPERATIONS,
    **auth.OPERATIONS,
    **keys.OPERATIONS,
    **usage.OPERATIONS,
    **admin.OPERATIONS,
    **service.OPERATIONS,
}
