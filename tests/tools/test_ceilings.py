import pytest

from tools.ceilings import CATALOGUES, FILE_LINES, FUNCTION_LINES, lengths, main

FILE = "tornado_router/room/long.py"
FUNCTION = "plugins/acme/tornado_router_acme/translator.py:Translator.parse"


@pytest.fixture
def repository(tmp_path):
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
    assert main(repository) == 0


def test_a_longer_file_fails(repository, capsys):
    write_file(repository, FILE_LINES + 1)
    assert main(repository) == 1
    assert capsys.readouterr().err == f"{FILE}: 401 lines, but at most 400 are allowed\n"


def test_a_longer_function_of_a_plugin_fails(repository, capsys):
    write_function(repository, FUNCTION_LINES + 1)
    assert main(repository) == 1
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
    assert main(repository) == 0
    assert "tests: 1" in capsys.readouterr().out


def test_a_catalogue_has_no_ceiling_but_its_functions_have(repository, capsys):
    path = repository / CATALOGUES[0]
    path.parent.mkdir(parents=True)
    path.write_text("A = 1\n" * 500 + "def long():\n" + "    pass\n" * 60)
    assert main(repository) == 1
    assert capsys.readouterr().err.startswith(f"{CATALOGUES[0]}:long: 61 lines")
