"""A Tornado Router command that makes a router.toml from the configuration of a LiteLLM proxy."""

from pathlib import Path

from setuptools import setup

setup(
    name="tornado-llm-router-import-litellm",
    version="0.1.0",
    description="A Tornado Router command that imports the configuration of a LiteLLM proxy.",
    long_description=(Path(__file__).parent / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=["tornado_router_import_litellm"],
    package_data={"tornado_router_import_litellm": ["py.typed"]},
    install_requires=[
        "click>=8.1,<9",
        "pyyaml>=6",
        "tomlkit>=0.13",
        "tornado-llm-router>=0.1,<0.2",
    ],
    entry_points={
        "tornado_router.commands": [
            "import.litellm = tornado_router_import_litellm.command:litellm"
        ]
    },
)
