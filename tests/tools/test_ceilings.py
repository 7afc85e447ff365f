import pytest

from tools.ceilings import (
    EXCEPTIONS,
    FILE_LINES,
    FUNCTION_LINES,
    ROOT,
    lengths,
    main,
    read_exceptions,
    write_exceptions,
)

FILE = "tornado_router/room/long.py"
FUNCTION = "plugins/acme/tornado_router_acme/translator.py:Translator.parse"


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "tools").mkdir()
    write_exceptions(tmp_path, {})
    return tmp_path


def write_file(repository, lines):
    path = repository / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("A = 1\n" * lines)


def write_function(repository, lines):
    path = repository / FUNCTION.partition(":")[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "        pass\n" * (lines - 1)
    path.write_text(f"class Translator:\n    @staticmethod\n    async def parse():\n{body}")


def test_what_is_as_long_as_allowed_passes(repository):
    write_file(repository, FILE_LINES)
    write_function(repository, FUNCTION_LINES)
    assert main(repository, []) == 0


def test_a_longer_file_fails(repository, capsys):
    write_file(repository, FILE_LINES + 1)
    assert main(repository, []) == 1
    assert capsys.readouterr().err == f"{FILE}: 401 lines, but at most 400 are allowed\n"


def test_a_longer_function_of_a_plugin_fails(repository, capsys):
    write_function(repository, FUNCTION_LINES + 1)
    assert main(repository, []) == 1
    assert capsys.readouterr().err == f"{FUNCTION}: 51 lines, but at most 50 are allowed\n"


def test_functions_inside_functions_count(repository):
    path = repository / "tornado_router/nested.py"
    path.parent.mkdir()
    path.write_text("def outer():\n    def inner():\n" + "        pass\n" * 60)
    assert lengths(repository, ["tornado_router/*.py"]) == {
        "tornado_router/nested.py:outer": 62,
        "tornado_router/nested.py:outer.inner": 61,
    }


def test_tests_have_no_ceiling_but_are_reported(repository, capsys):
    path = repository / "tests/test_long.py"
    path.parent.mkdir()
    path.write_text("A = 1\n" * 1000)
    assert main(repository, []) == 0
    assert "tests: 1" in capsys.readouterr().out


def test_an_exception_passes(repository):
    write_file(repository, 500)
    write_exceptions(repository, {FILE: 500})
    assert main(repository, []) == 0


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (501, f"{FILE}: 501 lines, but its exception allows 500\n"),
        (499, f"{FILE}: 499 lines; lower its exception from 500\n"),
        (400, f"{FILE}: within the ceiling of 400 lines; remove the exception\n"),
    ],
)
def test_an_exception_that_does_not_fit_fails(repository, capsys, lines, message):
    write_file(repository, lines)
    write_exceptions(repository, {FILE: 500})
    assert main(repository, []) == 1
    assert capsys.readouterr().err == message


def test_an_exception_for_a_file_that_is_gone_fails(repository):
    write_exceptions(repository, {FILE: 500})
    assert main(repository, []) == 1


def test_shrinking_lowers_and_removes_but_adds_nothing(repository):
    write_file(repository, 450)
    write_function(repository, 60)
    write_exceptions(repository, {FILE: 500, "tornado_router/gone.py": 401})
    assert main(repository, ["--shrink"]) == 1
    assert read_exceptions(repository) == {FILE: 450}


def test_shrinking_does_not_raise(repository):
    write_file(repository, 501)
    write_exceptions(repository, {FILE: 500})
    assert main(repository, ["--shrink"]) == 1
    assert read_exceptions(repository) == {FILE: 500}


def test_the_list_is_as_the_tool_writes_it(tmp_path):
    (tmp_path / "tools").mkdir()
    write_exceptions(tmp_path, read_exceptions(ROOT))
    assert (tmp_path / EXCEPTIONS).read_text() == (ROOT / EXCEPTIONS).read_text()
