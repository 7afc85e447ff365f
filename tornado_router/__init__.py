"""Tornado Router: one server in front of every LLM provider, speaking the OpenAI API."""

__version__ = "0.1.0"
