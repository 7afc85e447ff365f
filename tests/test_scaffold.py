"""`tornado-router plugins new`: what it makes is a whole package that passes its kit at once."""

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner

import tornado_router
from tornado_router.cli.main import main
from tornado_router.plugins.registry import load_plugins
from tornado_router.scaffold import ScaffoldError, create

from .testing.processes import run_pytest


@pytest.mark.parametrize(
    ("name", "distribution", "package", "provider"),
    [
        ("mine", "tornado-llm-router-mine", "tornado_router_mine", "MineProvider"),
        ("My_Vendor.ai", "tornado-llm-router-my-vendor-ai", "tornado_router_my_vendor_ai", None),
        ("tornado-llm-router-x", "tornado-llm-router-x", "tornado_router_x", "XProvider"),
        ("a1", "tornado-llm-router-a1", "tornado_router_a1", "A1Provider"),
    ],
)
def test_name_becomes_names(tmp_path, name, distribution, package, provider):
    made = create(name, tmp_path)
    assert made == tmp_path / distribution
    assert f'name="{distribution}"' in (made / "setup.py").read_text()
    code = (made / package / "provider.py").read_text()
    assert f"class {provider or 'MyVendorAiProvider'}(Provider)" in code


@pytest.mark.parametrize("name", ["", "1x", "-x", "x y", "../x", "ünï", "x/y", "x" * 60, "x$y"])
def test_name_that_cannot_be_one_is_refused(tmp_path, name):
    with pytest.raises(ScaffoldError, match="cannot be a name"):
        create(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["openai", "OpenAI", "tornado-llm-router-openai"])
def test_name_of_another_plugin_is_refused(tmp_path, name):
    with pytest.raises(ScaffoldError, match="'openai' exists already, in theirs; choose another"):
        create(name, tmp_path, taken={"openai": "theirs"})
    assert list(tmp_path.iterdir()) == []


def test_the_command_knows_the_installed_plugins(tmp_path):
    made = CliRunner().invoke(main, ["plugins", "new", "groq", "--folder", str(tmp_path)])
    assert made.exit_code == 1
    assert "'groq' exists already, in tornado-llm-router-openai" in made.output
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_left_alone(tmp_path):
    made = create("mine", tmp_path)
    (made / "setup.py").write_text("mine")
    with pytest.raises(ScaffoldError, match="exists already"):
        create("mine", tmp_path)
    assert (made / "setup.py").read_text() == "mine"


def test_package_is_whole(tmp_path):
    made = create("mine", tmp_path)
    found = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert found == {
        *(".gitattributes", ".github/workflows/test.yml", ".gitignore", "LICENSE", "README.md"),
        *("pyproject.toml", "setup.py"),
        *(f"tornado_router_mine/{name}" for name in ("__init__.py", "chat.py", "provider.py")),
        "tornado_router_mine/py.typed",
        *("tests/test_conformance.py", "tests/test_end_to_end.py"),
        *(
            f"tests/recordings/chat.completions/{name}"
            for name in (
                *("hello.http", "hello.request.json", "hello.stream.http"),
                *("error-400.http", "error-429.http"),
            )
        ),
    }
    tomllib.loads((made / "pyproject.toml").read_text())
    for path in found - {".github/workflows/test.yml", "README.md"}:
        assert "$" not in (made / path).read_text(), path


def test_package_passes_its_kit_at_once(tmp_path):
    made = create("mine", tmp_path)
    result = run_pytest(made, "--conformance-report=CONFORMANCE.md")
    assert result.returncode == 0, result.stdout
    assert "**every rule kept**" in (made / "CONFORMANCE.md").read_text()


def test_package_is_a_plugin(tmp_path, monkeypatch):
    made = create("my-vendor", tmp_path)
    monkeypatch.syspath_prepend(made)
    entry_point = EntryPoint("my-vendor", "tornado_router_my_vendor", "tornado_router")
    plugins = load_plugins([entry_point])
    assert plugins.broken == {}
    assert list(plugins.types) == ["my-vendor"]


def test_wheel_holds_the_package(tmp_path):
    pytest.importorskip("setuptools")
    made = create("mine", tmp_path)
    command = [sys.executable, "setup.py", "-q", "bdist_wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(command, cwd=made, check=True, capture_output=True, timeout=120)
    (wheel,) = (tmp_path / "dist").iterdir()
    shutil.unpack_archive(wheel, tmp_path / "wheel", "zip")
    (entry_points,) = (tmp_path / "wheel").glob("*.dist-info/entry_points.txt")
    assert "mine = tornado_router_mine" in entry_points.read_text()
    assert (tmp_path / "wheel" / "tornado_router_mine" / "py.typed").exists()


@pytest.mark.parametrize("name", ["a", "my-vendor"])
def test_package_is_lint_clean(tmp_path, name):
    ruff = shutil.which("ruff") or shutil.which("ruff", path=sys.exec_prefix + "/bin")
    if ruff is None:
        pytest.skip("ruff is not installed; `tox -e lint` has it")
    made = create(name, tmp_path)
    for command in (["check"], ["format", "--check"]):
        result = subprocess.run(
            [ruff, *command, "--no-cache"], cwd=made, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout


def test_package_is_typed(tmp_path):
    pytest.importorskip("mypy")
    made = create("mine", tmp_path)
    root = Path(tornado_router.__file__).parents[1]
    # mypy does not follow an editable install; a real one it finds by itself.
    paths = {} if root.name == "site-packages" else {"MYPYPATH": str(root)}
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache")],
        cwd=made,
        env={**os.environ, **paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout
