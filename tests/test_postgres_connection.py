"""URLs of PostgreSQL, and passwords in them."""

import re

import pytest

from tornado_router.postgres_connection import (
    LocationError,
    check_url,
    connection_settings,
    url_title,
)


def test_a_password_is_nobodys_business():
    assert url_title("postgres://me:secret@db.example:5432/name?sslmode=require") == (
        "postgresql://db.example:5432/name"
    )


@pytest.mark.parametrize(
    "secret",
    ["hunter2/Secret", "hunter2@Secret", "hunter2?Secret", "hunter2/Sec?ret", "h/S@?t"],
)
def test_a_password_that_is_not_encoded_is_not_shown_either(secret):
    url = f"postgresql://me:{secret}@host/db?sslmode=require"
    assert not set(re.split(r"\W", secret)) & set(re.split(r"\W", url_title(url)))


@pytest.mark.parametrize("secret", ["hunter2/Secret", "hunter2@Secret", "hunter2/Sec?ret"])
def test_a_password_that_is_not_encoded_is_refused(secret):
    with pytest.raises(LocationError, match="percent-encoded") as caught:
        check_url(f"postgresql://me:{secret}@host/db?sslmode=require")
    assert "unter" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@a:1,b:2/n", "postgresql:///n?user=me@example.com&host=/run"]
)
def test_urls_of_other_forms(url):
    check_url(url)


def test_what_the_url_says_of_a_connection_holds():
    assert "connect_timeout" not in connection_settings("postgresql://h/n?connect_timeout=60")
    assert connection_settings("postgresql://h/n")["connect_timeout"] == 5
