"""What a client sends is read and checked here, before it costs anything.

`parse_json` reads a body; a `Validator` checks it against the JSON Schema of an endpoint and the
rules that compare two fields. Both raise `ApiError` with OpenAI's message, `param` and `code`.
"""

from tornado_router.validation.parsing import parse_json
from tornado_router.validation.schema import PROFILES, Profile, load_schema
from tornado_router.validation.validator import Validator

__all__ = ["PROFILES", "Profile", "Validator", "load_schema", "parse_json"]
