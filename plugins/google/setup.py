"""Google's Gemini models, by the Gemini API or Vertex AI, for Tornado Router."""

from pathlib import Path

from setuptools import setup

setup(
    name="tornado-llm-router-google",
    version="0.1.0",
    description="Google's Gemini models, by the Gemini API or Vertex AI, for Tornado Router.",
    long_description=(Path(__file__).parent / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=["tornado_router_google"],
    package_data={"tornado_router_google": ["py.typed"]},
    install_requires=["orjson>=3.10,<4", "tornado-llm-router>=0.1,<0.2"],
    extras_require={"test": ["google-genai>=2"]},
    entry_points={"tornado_router": ["google = tornado_router_google"]},
)
