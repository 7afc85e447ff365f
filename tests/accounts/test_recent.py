"""A bounded dictionary keeps what was set last."""

from tornado_router.accounts.recent import Recent


def test_the_oldest_goes_first():
    recent = Recent(3)
    for number in range(5):
        recent[number] = str(number)
    assert dict(recent) == {2: "2", 3: "3", 4: "4"}


def test_setting_an_entry_again_keeps_it():
    recent = Recent(2)
    recent["a"], recent["b"] = 1, 2
    recent["a"] = 3
    recent["c"] = 4
    assert dict(recent) == {"a": 3, "c": 4}


def test_reading_does_not():
    recent = Recent(2)
    recent["a"], recent["b"] = 1, 2
    assert recent.get("a") == 1
    recent["c"] = 3
    assert "a" not in recent
