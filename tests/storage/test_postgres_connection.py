"""URLs of PostgreSQL, and passwords in them."""

import re

import pytest

from tornado_router.storage.postgres_connection import (
    LocationError,
    check_url,
    connection_settings,
    hosts,
    ssl_mode,
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
    assert connection_settings("postgresql://[::1/n")["connect_timeout"] == 5  # libpq complains


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://u:p@db.example:5432/n", ["db.example"]),
        ("postgresql://u:p@a:1,[::1]:2,c/n", ["a", "::1", "c"]),
        ("postgresql://u@a/n?host=b,c&user=me@example.com", ["b", "c"]),
        ("postgresql://a/n?hostaddr=10.0.0.1", ["10.0.0.1"]),
        ("postgresql://%2Frun%2Fpostgresql/n", ["/run/postgresql"]),
        ("postgresql:///n?host=%2Frun", ["/run"]),
        ("postgresql:///n", [""]),
        ("postgresql://[::1/n", ["::1"]),
    ],
)
def test_hosts_as_libpq_finds_them(url, found):
    assert hosts(url) == found


def test_the_last_ssl_mode_holds():
    assert ssl_mode("postgresql:///n?sslmode=require&host=a&sslmode=disable") == "disable"
    assert ssl_mode("postgresql://h/n") == ""
