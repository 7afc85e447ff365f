"""`/admin/*`: users, their credits, invites and plans, for administrators."""

from __future__ import annotations

from tornado_router.accounts import credits, invites, users
from tornado_router.http.handlers.management import AdminHandler, integer
from tornado_router.http.objects.accounts import NewPassword, NewUser, UserChanges, UserList
from tornado_router.http.objects.billing import (
    CreditEntry,
    CreditEntryList,
    CreditEntryWithUser,
    Invite,
    InviteList,
    InviteWithCode,
    NewCreditEntry,
    NewInvite,
)
from tornado_router.http.objects.keys import Plan, PlanList
from tornado_router.http.objects.request_logs import RequestLog, RequestLogEntry, RequestLogList
from tornado_router.ledger import request_log_rows


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
        self.write_json(UserList.of([self.user_object(user) for user in rows], limit))

    async def post(self) -> None:
        """Makes a user.

        Raises:
            ApiError: 400, a value cannot be used; 409, the address has an account.
        """
        self.query()
        body = self.read(NewUser)
        user = await self.accounts.create_user(self.actor, **body.given())
        self.set_status(201)
        self.write_json(self.user_object(user))


class UserHandler(AdminHandler):
    """`/admin/users/{id}`."""

    async def get(self, user_id: str) -> None:
        """Describes a user.

        Raises:
            ApiError: 404.
        """
        self.query()
        user = await self.run(lambda: users.find_user(int(user_id)))
        self.write_json(self.user_object(user))

    async def patch(self, user_id: str) -> None:
        """Changes what is given.

        Raises:
            ApiError: 400, a value cannot be used; 404; 409, it is the last administrator.
        """
        self.query()
        changes = self.read(UserChanges)
        user = await self.accounts.change_user(int(user_id), **changes.given())
        self.write_json(self.user_object(user))

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
        new = self.read(NewPassword).new_password
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
        self.write_json(CreditEntryList.of([CreditEntry.of(it) for it in entries], limit))

    async def post(self, user_id: str) -> None:
        """Changes a user's credits.

        Raises:
            ApiError: 400, a value cannot be used; 404; 409, there would be less than nothing.
        """
        self.query()
        body = self.read(NewCreditEntry)
        entry, user = await self.accounts.change_credits(
            self.actor, int(user_id), body.amount, body.kind, body.reason
        )
        self.set_status(201)
        self.write_json(CreditEntryWithUser.of(entry, user=self.user_object(user)))


class PlansHandler(AdminHandler):
    """`/admin/plans`."""

    async def get(self) -> None:
        """Lists the plans of router.toml."""
        self.query()
        plans = self.services.serving.plans
        self.write_json(PlanList(data=[Plan.of(name, plans) for name in sorted(plans.all())]))


class InvitesHandler(AdminHandler):
    """`/admin/invites`."""

    async def get(self) -> None:
        """Lists invites, newest first.

        Raises:
            ApiError: 400.
        """
        limit, after = self.page(self.query("limit", "after"))
        rows = await self.run(
            lambda: [Invite.of(one) for one in invites.list_invites(limit, after)]
        )
        self.write_json(InviteList.of(rows, limit))

    async def post(self) -> None:
        """Makes an invite, and shows its code this once.

        Raises:
            ApiError: 400, a value cannot be used.
        """
        self.query()
        body = self.read(NewInvite) if self.request.body else NewInvite()
        invite, code = await self.run(
            lambda: invites.create_invite(
                self.services.serving.plans,
                actor=self.user.email,
                email=body.email,
                plan=body.plan,
                seconds=body.expires_in or invites.INVITE_SECONDS,
            )
        )
        self.set_status(201)
        self.write_json(InviteWithCode.of(invite, code=code))


class InviteHandler(AdminHandler):
    """`/admin/invites/{id}`."""

    async def delete(self, invite_id: str) -> None:
        """Revokes an unused invite.

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
        self.write_json(RequestLogList.of([RequestLogEntry.of(row) for row in rows], limit))


class RequestLogHandler(AdminHandler):
    """`/admin/request-logs/{id}`."""

    async def get(self, row_id: str) -> None:
        """Shows a logged request and its response.

        Raises:
            ApiError: 404.
        """
        self.query()
        row = await self.run(lambda: request_log_rows.find_row(int(row_id)))
        self.write_json(RequestLog.of(row, request=row.request, response=row.response))

    async def delete(self, row_id: str) -> None:
        """Deletes it.

        Raises:
            ApiError: 404.
        """
        self.query()
        await self.run(lambda: request_log_rows.delete_row(int(row_id)))
        self.set_status(204)
