"""A Tornado Router plugin that reports failed calls to Sentry."""

from pathlib import Path

from setuptools import setup

setup(
    name="tornado-llm-router-sentry",
    version="0.1.0",
    description="A Tornado Router plugin that reports failed calls to Sentry.",
    long_description=(Path(__file__).parent / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=["tornado_router_sentry"],
    package_data={"tornado_router_sentry": ["py.typed"]},
    install_requires=["tornado-llm-router>=0.1,<0.2", "sentry-sdk>=2.20,<3"],
    entry_points={"tornado_router": ["sentry = tornado_router_sentry"]},
)
