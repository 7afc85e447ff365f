"""`/admin/*`: users, their credits, invites and plans, for administrators."""

from __future__ import annotations

from typing import Any

from tornado_router.accounts import credits, invites, users
from tornado_router.http.handlers.management import (
    AdminHandler,
    body_schema,
    dollars,
    integer,
    seconds,
    user_body,
)
from tornado_router.ledger import request_log_rows
from tornado_router.storage.tables import CreditEntry, Invite, RequestLog

_TEXT = {"type": "string"}
_OPTIONAL_TEXT = {"type": ["string", "null"]}
_FLAG = {"type": "boolean"}
_USER = {"name": _TEXT, "plan": _TEXT, "is_admin": _FLAG}

NEW_USER = body_schema({**_USER, "email": _TEXT, "password": _OPTIONAL_TEXT}, required=["email"])
CHANGES = body_schema({**_USER, "is_active": _FLAG})
PASSWORD = body_schema({"new_password": _TEXT}, required=["new_password"])
ENTRY = body_schema(
    {
        "amount": {"type": ["number", "string"]},
        "kind": {"type": "string", "enum": ["top_up", "adjust"]},
        "reason": _TEXT,
    },
    required=["amount", "kind", "reason"],
)
INVITE = body_schema(
    {
        "email": _OPTIONAL_TEXT,
        "plan": _OPTIONAL_TEXT,
        "expires_in": {
            "type": ["integer", "null"],
            "minimum": invites.INVITE_BOUNDS[0],
            "maximum": invites.INVITE_BOUNDS[1],
        },
    }
)


class UsersHandler(AdminHandler):
    """`/admin/users`."""

    async def get(self) -> None:
        """Lists users.

        Raises:
            ApiError: 400, a query that cannot be used.
        """
        query = self.query("limit", "after", "search", "plan")
        limit, after = self.page(query)
        rows = await self.run(
            lambda: users.list_users(query.get("search", ""), query.get("plan"), limit, after)
        )
        self.write_list([user_body(user, self.services.serving.plans) for user in rows], limit)

    async def post(self) -> None:
        """Makes a user.

        Raises:
            ApiError: 400, a value cannot be used; 409, the address has an account.
        """
        self.query()
        body = self.read_body(NEW_USER)
        user = await self.accounts.create_user(self.actor, **body)
        self.set_status(201)
        self.write_json(user_body(user, self.services.serving.plans))


class UserHandler(AdminHandler):
    """`/admin/users/{id}`."""

    async def get(self, user_id: str) -> None:
        """Describes a user.

        Raises:
            ApiError: 404.
        """
        self.query()
        user = await self.run(lambda: users.find_user(int(user_id)))
        self.write_json(user_body(user, self.services.serving.plans))

    async def patch(self, user_id: str) -> None:
        """Changes what is given.

        Raises:
            ApiError: 400, a value cannot be used; 404; 409, it is the last administrator.
        """
        self.query()
        body = self.read_body(CHANGES)
        user = await self.accounts.change_user(int(user_id), **body)
        self.write_json(user_body(user, self.services.serving.plans))

    async def delete(self, user_id: str) -> None:
        """Deletes a user and their keys.

        Raises:
            ApiError: 404; 409, it is the last administrator.
        """
        self.query()
        await self.accounts.delete_user(int(user_id))
        self.set_status(204)


class UserPasswordHandler(AdminHandler):
    """`/admin/users/{id}/password`."""

    async def post(self, user_id: str) -> None:
        """Gives a user another password, and ends every session.

        Raises:
            ApiError: 400, the password cannot be used; 404.
        """
        self.query()
        new = self.read_body(PASSWORD)["new_password"]
        await self.accounts.set_password(int(user_id), new)
        self.set_status(204)


class CreditsHandler(AdminHandler):
    """`/admin/users/{id}/credits`."""

    async def get(self, user_id: str) -> None:
        """Lists the changes of a user's credits, newest first.

        Raises:
            ApiError: 400; 404.
        """
        limit, after = self.page(self.query("limit", "after"))
        entries = await self.run(lambda: credits.list_entries(int(user_id), limit, after))
        self.write_list([_entry_body(entry) for entry in entries], limit)

    async def post(self, user_id: str) -> None:
        """Changes a user's credits.

        Raises:
            ApiError: 400, a value cannot be used; 404; 409, there would be less than nothing.
        """
        self.query()
        body = self.read_body(ENTRY)
        entry, user = await self.accounts.change_credits(self.actor, int(user_id), **body)
        self.set_status(201)
        self.write_json(
            {**_entry_body(entry), "user": user_body(user, self.services.serving.plans)}
        )


class PlansHandler(AdminHandler):
    """`/admin/plans`."""

    async def get(self) -> None:
        """Lists the plans of router.toml."""
        self.query()
        data = [
            {
                "object": "plan",
                "name": name,
                "is_default": name == self.services.serving.plans.default,
                "credits": None
                if plan.credits is None
                else dollars(self.services.serving.plans.first_credits(name)),
                "rpm": plan.rpm,
                "tpm": plan.tpm,
                "max_in_flight": plan.max_in_flight,
                "models": plan.models,
            }
            for name, plan in sorted(self.services.serving.plans.all().items())
        ]
        self.write_json({"object": "list", "data": data, "has_more": False, "next": None})


class InvitesHandler(AdminHandler):
    """`/admin/invites`."""

    async def get(self) -> None:
        """Lists invites, newest first.

        Raises:
            ApiError: 400.
        """
        limit, after = self.page(self.query("limit", "after"))
        rows = await self.run(
            lambda: [_invite_body(one) for one in invites.list_invites(limit, after)]
        )
        self.write_list(rows, limit)

    async def post(self) -> None:
        """Makes an invite, and shows its code this once.

        Raises:
            ApiError: 400, a value cannot be used.
        """
        self.query()
        body = self.read_body(INVITE) if self.request.body else {}
        lasting = body.get("expires_in") or invites.INVITE_SECONDS
        invite, code = await self.run(
            lambda: invites.create_invite(
                self.services.serving.plans,
                actor=self.user.email,
                email=body.get("email"),
                plan=body.get("plan"),
                seconds=lasting,
            )
        )
        self.set_status(201)
        self.write_json({**_invite_body(invite), "code": code})


class InviteHandler(AdminHandler):
    """`/admin/invites/{id}`."""

    async def delete(self, invite_id: str) -> None:
        """Revokes an invite that nobody has used.

        Raises:
            ApiError: 404.
        """
        self.query()
        await self.run(lambda: invites.revoke_invite(int(invite_id)))
        self.set_status(204)


class RequestLogsHandler(AdminHandler):
    """`/admin/request-logs`."""

    async def get(self) -> None:
        """Lists logged requests, newest first, without their texts.

        Raises:
            ApiError: 400, a query that cannot be used.
        """
        query = self.query("limit", "after", "user_id", "key_id", "request_id")
        limit, after = self.page(query)
        chosen = {
            "user_id": integer(query, "user_id", None),
            "api_key_id": integer(query, "key_id", None),
            "request_id": query.get("request_id"),
        }
        rows = await self.run(lambda: request_log_rows.find_rows(chosen, limit + 1, after))
        self.write_list([_kept_body(row) for row in rows], limit)


class RequestLogHandler(AdminHandler):
    """`/admin/request-logs/{id}`."""

    async def get(self, row_id: str) -> None:
        """Shows a logged request and its response.

        Raises:
            ApiError: 404.
        """
        self.query()
        row = await self.run(lambda: request_log_rows.find_row(int(row_id)))
        body = {**_kept_body(row), "request": row.request, "response": row.response}
        self.write_json(body)

    async def delete(self, row_id: str) -> None:
        """Deletes it.

        Raises:
            ApiError: 404.
        """
        self.query()
        await self.run(lambda: request_log_rows.delete_row(int(row_id)))
        self.set_status(204)


def _kept_body(row: RequestLog) -> dict[str, Any]:
    return {
        "object": "request_log",
        "id": row.id,
        "call_id": row.call_id,
        "request_id": row.request_id,
        "user_id": row.user_id,
        "key_id": row.api_key_id,
        "endpoint": row.endpoint,
        "model": row.model,
        "status": row.status,
        "request_bytes": row.request_bytes,
        "response_bytes": row.response_bytes,
        "created_at": seconds(row.created_at),
    }


def _entry_body(entry: CreditEntry) -> dict[str, Any]:
    return {
        "object": "credit_entry",
        "id": entry.id,
        "amount": dollars(entry.amount),
        "balance": dollars(entry.balance),
        "kind": entry.kind,
        "reason": entry.reason,
        "actor": entry.actor,
        "created_at": seconds(entry.created_at),
    }


def _invite_body(invite: Invite) -> dict[str, Any]:
    return {
        "object": "invite",
        "id": invite.id,
        "email": invite.email,
        "plan": invite.plan,
        "created_by": invite.created_by,
        "created_at": seconds(invite.created_at),
        "expires_at": seconds(invite.expires_at),
        "used_at": seconds(invite.used_at),
        "used_by": invite.used_by.id if invite.used_by else None,
    }
