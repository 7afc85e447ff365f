"""`/auth/*`: registration, sessions, and one's own account."""

from __future__ import annotations

from tornado_router.http.objects.accounts import (
    Credentials,
    Nothing,
    PasswordChange,
    PasswordProof,
    Profile,
    Registration,
    Session,
    User,
)
from tornado_router.http.openapi.operations.base import Operation, Operations, json

OPERATIONS: Operations = {
    "auth.register": {
        "post": Operation(
            summary="Register an account and log in",
            description="Open, by invite, or closed, by `registration` in `[auth]`.",
            body=Registration,
            examples={
                "An account": {
                    "email": "ada@example.com",
                    "password": "correct horse battery",
                    "name": "Ada",
                },
                "By invite": {
                    "email": "ada@example.com",
                    "password": "correct horse battery",
                    "invite": "the code of the invite",
                },
            },
            content=json(Session),
            status=201,
            errors=(403, 409, 429),
        )
    },
    "auth.login": {
        "post": Operation(
            summary="Log in",
            body=Credentials,
            examples={"Log in": {"email": "ada@example.com", "password": "correct horse battery"}},
            content=json(Session),
            errors=(401, 429),
        )
    },
    "auth.logout": {
        "post": Operation(
            summary="Log out everywhere",
            description="Ends all of the account's sessions.",
            body=Nothing,
            body_required=False,
            status=204,
        )
    },
    "auth.password": {
        "post": Operation(
            summary="Change the password",
            description="Ends all of the account's sessions and begins a new one.",
            body=PasswordChange,
            examples={
                "Change": {
                    "current_password": "correct horse battery",
                    "new_password": "staple battery horse",
                }
            },
            content=json(Session),
            errors=(409, 429),
        )
    },
    "auth.profile": {
        "get": Operation(summary="Get the account", content=json(User)),
        "patch": Operation(
            summary="Change the account",
            body=Profile,
            examples={"Rename": {"name": "Ada Lovelace"}},
            content=json(User),
        ),
        "delete": Operation(
            summary="Delete the account and its keys",
            body=PasswordProof,
            examples={"Confirm": {"password": "correct horse battery"}},
            status=204,
            errors=(409, 429),
        ),
    },
}
