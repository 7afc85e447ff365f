"""Anthropic's Messages API for Tornado Router."""

from pathlib import Path

from setuptools import setup

setup(
    name="tornado-llm-router-anthropic",
    version="0.1.0",
    description="Anthropic's Messages API for Tornado Router.",
    long_description=(Path(__file__).parent / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=["tornado_router_anthropic"],
    package_data={"tornado_router_anthropic": ["py.typed"]},
    install_requires=["orjson>=3.10,<4", "tornado-llm-router>=0.1,<0.2"],
    # The vendor's SDK is an authority on requests for the tests; nothing imports it at run time.
    extras_require={
        "test": ["anthropic>=2,<3", "hypothesis>=6.100", "pydantic>=2", "pytest>=8,<10"]
    },
    entry_points={"tornado_router": ["anthropic = tornado_router_anthropic"]},
)
