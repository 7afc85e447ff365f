import pytest
from packaging.requirements import Requirement

from tools.versions import lines

REQUIREMENTS = [
    Requirement(text)
    for text in (
        "tornado>=6.5,<7",
        "click>=8.1,<9",
        "click>=8.4",
        'uvloop>=0.21; sys_platform != "win32"',
        'psycopg[binary]>=3.2.1,<4; extra == "postgres"',
        "tomlkit~=0.13",
    )
]


def test_the_lowest_that_all_allow():
    assert lines(REQUIREMENTS, "lowest") == [
        "click==8.4",
        "psycopg[binary]==3.2.1",
        "tomlkit==0.13",
        "tornado==6.5",
        'uvloop==0.21; sys_platform != "win32"',
    ]


def test_the_newest_that_all_allow():
    found = {
        Requirement(line).name: Requirement(line).specifier
        for line in lines(REQUIREMENTS, "newest")
    }
    assert found["tornado"].contains("6.9")
    assert not found["tornado"].contains("7.0")


def test_requirements_are_left_as_they_are():
    lines(REQUIREMENTS, "lowest")
    assert str(REQUIREMENTS[0].specifier) == "<7,>=6.5"


def test_one_without_a_lowest_version_is_a_fault():
    with pytest.raises(ValueError, match="attrs<30 has no lowest version"):
        lines([Requirement("attrs<30")], "lowest")
