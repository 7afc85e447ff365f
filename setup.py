"""The core's distribution. In-repo plugins are distributions of their own, under plugins/."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = {}
exec((HERE / "tornado_router" / "__init__.py").read_text(), VERSION)

setup(
    name="tornado-llm-router",
    version=VERSION["__version__"],
    description="One server in front of every LLM provider, for OpenAI's and Anthropic's clients.",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["tornado_router", "tornado_router.*"]),
        "tornado_router.schemas",
    ],
    package_dir={"tornado_router.schemas": "schemas"},
    package_data={
        "tornado_router": ["py.typed"],
        "tornado_router.accounts": ["common_passwords.txt"],
        "tornado_router.limits": ["*.lua"],
        "tornado_router.http.openapi": ["*.html", "*.css", "*.js"],
        "tornado_router.scaffold": ["template/**/*", "template/*"],
        "tornado_router.schemas": ["*.json"],
        "tornado_router.storage": ["migrations/*.py"],
    },
    install_requires=[
        "aiohappyeyeballs>=2.5,<3",
        "aiohttp>=3.14.2,<4",
        "backports-zstd>=1,<2; python_version < '3.14'",
        "bcrypt>=4.2,<6",
        "click>=8.4,<9",
        "email-validator>=2.3,<3",
        "httptools>=0.7.1,<1",
        "itsdangerous>=2.2,<3",
        "jiter>=0.18,<1",
        "jsonschema>=4.23,<5",
        "jsonschema-rs>=0.48,<1",
        "loguru>=0.7.3,<0.8",
        "multipart>=2,<3",
        "msgspec>=0.19,<1",
        "orjson>=3.10,<4",
        "peewee>=4.5,<5",
        "pluggy>=1.5,<2",
        "prometheus-client>=0.23.1,<1",
        "python-dotenv>=1.0,<2",
        "redis[hiredis]>=5.2,<9",
        "tornado>=6.6,<7",
        "uvloop>=0.21; sys_platform != 'win32' and implementation_name == 'cpython'",
        "websockets>=15,<18",
    ],
    extras_require={
        "otel": [
            "opentelemetry-exporter-otlp-proto-http>=1.40,<2",
            "opentelemetry-sdk>=1.40,<2",
        ],
        "postgres": ["psycopg[binary]>=3.2.1,<4"],
        "prices": ["genai-prices>=0.0.30"],
        "testing": ["hypothesis>=6.100", "pytest>=8,<10"],
    },
    entry_points={
        "console_scripts": ["tornado-router = tornado_router.cli.main:main"],
        # `--conformance-report`, for the authors of plugins
        "pytest11": ["tornado_router.testing.pytest_plugin = tornado_router.testing.pytest_plugin"],
    },
)
