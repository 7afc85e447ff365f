"""Hooks for Schemathesis, see `test_fuzz`: values that lead somewhere, and what to keep away from.

Made-up models, ids and passwords are nobody's, so with them alone nothing would ever succeed.
Calls always get a model that there is; every second valid request gets the other values.
"""

import json
from collections import Counter
from pathlib import Path

import schemathesis
from schemathesis.generation import GenerationMode

FACTS = json.loads(Path("facts.json").read_text(encoding="utf-8"))
"""
models: to ask for, by path.
bodies: fields of bodies, by operation; `{n}` stands for a number that is used once.
ids: what there is, by the beginning of a path; DELETE uses all but one of them up.
own: ids of the key and the user that the requests come from, by the same.
"""

_made = Counter()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts values into a valid request."""
    operation, path = f"{case.method} {case.operation.path}", case.operation.path
    if case.meta is None:  # Schemathesis's own look at what logs in
        return
    if case.meta.generation.mode == GenerationMode.POSITIVE:
        if isinstance(case.body, dict) and path in FACTS.get("models", {}):
            case.body["model"] = FACTS["models"][path]
        _made[operation] += 1
        if _made[operation] % 2:
            _put_values(operation, path, case)
    _spare_own(path, case)


@schemathesis.hook
def after_call(context, case, response):
    """Takes down what came of a request."""
    with Path("answers.txt").open("a", encoding="utf-8") as file:
        file.write(f"{case.method} {case.operation.path} {response.status_code}\n")


def _put_values(operation, path, case):
    if isinstance(case.body, dict):
        for name, value in FACTS["bodies"].get(operation, {}).items():
            is_text = isinstance(value, str)
            case.body[name] = value.format(n=_made[operation]) if is_text else value
    for beginning, ids in FACTS.get("ids", {}).items():
        if path.startswith(beginning):
            last = case.method == "DELETE" and len(ids) > 1
            (name,) = case.path_parameters
            case.path_parameters[name] = ids.pop() if last else ids[0]


def _spare_own(path, case):
    """Without its key and its user, all that follows would be a 401."""
    for beginning, own in FACTS.get("own", {}).items():
        if path.startswith(beginning) and str(case.path_parameters.get("id")) == str(own):
            case.path_parameters["id"] = 10**12
