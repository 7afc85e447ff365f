"""A Tornado Router provider that answers offline: for a first try, and for tests."""

from pathlib import Path

from setuptools import setup

setup(
    name="tornado-llm-router-echo",
    version="0.1.0",
    description="A Tornado Router provider that answers offline: for a first try, and for tests.",
    long_description=(Path(__file__).parent / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=["tornado_router_echo"],
    package_data={"tornado_router_echo": ["py.typed"]},
    install_requires=["tornado-llm-router>=0.1,<0.2"],
    entry_points={"tornado_router": ["echo = tornado_router_echo"]},
)
