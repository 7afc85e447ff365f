"""`/admin/*`."""

from __future__ import annotations

from tornado_router.http.objects.accounts import NewPassword, NewUser, User, UserChanges, UserList
from tornado_router.http.objects.billing import (
    CreditEntryList,
    CreditEntryWithUser,
    InviteList,
    InviteWithCode,
    NewCreditEntry,
    NewInvite,
)
from tornado_router.http.objects.keys import PlanList
from tornado_router.http.objects.request_logs import RequestLog, RequestLogList
from tornado_router.http.openapi.operations.base import ANY_ID, PAGE, Operation, Operations, json
from tornado_router.http.openapi.schemas import TEXT

OPERATIONS: Operations = {
    "admin.users": {
        "get": Operation(
            summary="List users",
            query={
                **PAGE,
                "search": {**TEXT, "description": "Part of the address or name."},
                "plan": {**TEXT, "description": "Only users on this plan."},
            },
            content=json(UserList),
        ),
        "post": Operation(
            summary="Create a user",
            description="Without a password, the user cannot log in until one is set.",
            body=NewUser,
            examples={"A user": {"email": "ada@example.com", "name": "Ada", "plan": "free"}},
            content=json(User),
            status=201,
            errors=(409,),
        ),
    },
    "admin.user": {
        "get": Operation(summary="Get a user", content=json(User)),
        "patch": Operation(
            summary="Change a user",
            description="Fields that are left out stay as they are.",
            body=UserChanges,
            examples={"Another plan": {"plan": "team"}, "Disable": {"is_active": False}},
            content=json(User),
            errors=(409,),
        ),
        "delete": Operation(summary="Delete a user and their keys", status=204, errors=(409,)),
    },
    "admin.password": {
        "post": Operation(
            summary="Set a user's password",
            description="Ends all of the user's sessions.",
            body=NewPassword,
            examples={"A password": {"new_password": "staple battery horse"}},
            status=204,
        )
    },
    "admin.credits": {
        "get": Operation(
            summary="List a user's credit entries",
            description="Newest first.",
            query=PAGE,
            content=json(CreditEntryList),
        ),
        "post": Operation(
            summary="Add or remove credits",
            description="A negative amount removes them.",
            body=NewCreditEntry,
            examples={
                "A top-up": {"amount": "10.00", "kind": "top_up", "reason": "Invoice 2026-117"},
                "A correction": {"amount": -2.5, "kind": "adjust", "reason": "Charged twice"},
            },
            content=json(CreditEntryWithUser),
            status=201,
            errors=(409,),
        ),
    },
    "admin.plans": {"get": Operation(summary="List plans", content=json(PlanList))},
    "admin.invites": {
        "get": Operation(
            summary="List invites",
            description="Newest first.",
            query=PAGE,
            content=json(InviteList),
        ),
        "post": Operation(
            summary="Create an invite",
            description="The response is the only one that shows the code.",
            body=NewInvite,
            body_required=False,
            examples={
                "For one address": {
                    "email": "ada@example.com",
                    "plan": "free",
                    "expires_in": 604800,
                }
            },
            content=json(InviteWithCode),
            status=201,
        ),
    },
    "admin.invite": {"delete": Operation(summary="Revoke an unused invite", status=204)},
    "admin.request_logs": {
        "get": Operation(
            summary="List logged requests",
            description="Newest first, without their bodies.",
            query={
                **PAGE,
                "user_id": {**ANY_ID, "description": "Only calls of this user."},
                "key_id": {**ANY_ID, "description": "Only calls of this key."},
                "request_id": {**TEXT, "description": "Only calls with this `x-request-id`."},
            },
            content=json(RequestLogList),
        )
    },
    "admin.request_log": {
        "get": Operation(summary="Get a logged request", content=json(RequestLog)),
        "delete": Operation(summary="Delete a logged request", status=204),
    },
}
