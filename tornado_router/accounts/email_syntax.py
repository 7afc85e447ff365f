"""What an e-mail address is, as `email-validator` has it."""

from __future__ import annotations

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

# Networks of their own have mailboxes at `.local` and the like; the first administrator has one at
# `localhost`.
SPECIAL_USE_DOMAIN_NAMES.clear()


def normalized(text: str) -> str | None:
    """The address in one form, with its case as it is written, or None if it is none."""
    try:
        # Not asked of the DNS: a router may have none, and an intranet its own names.
        found = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return None
    return found.normalized
