"""Bodies of requests that are nearly right: valid ones, with a few places spoilt by hypothesis.

Schemas let tools, blocks of content and items of tomorrow pass: a translator is the first to read
what is inside. Most places that are spoilt are there.
"""

import copy
import json

from hypothesis import strategies as st

from tornado_router.testing.json_paths import GONE, look_up, places, replaced

ODD = (
    *(None, True, False, 0, 1, -1, 1.5, -0.0, 10**15, 2**63, 10**30, 1e308),
    *("", " ", "x", "user", "auto", "\x00", "\u2028", "\u202eabc", "e\u0301" * 50, "\U0001f389"),
    *([], [[]], [{}], [None], ["x"], {}, {"": None}, {"type": "x"}, {"type": None}),
    *({"type": "text"}, {"type": "text", "text": "x"}, {"type": "function"}, {"role": "user"}),
)
"""Values for places that want another one."""

DEPTHS = (1, 5, 40)
DEEPEST = "as deep as it gets"
"""Stands for a list in a list, 1,200 times: values that are so deep cannot be copied."""

REPEATS = (2, 3, 60)
MOST_VALUES = 5000
"""A body that is larger is not spoilt further: it would only take long."""

PASSING, MOST_TRIES = 0.8, 10
"""So many of all bodies are tried to be had such that they pass the schema, and how often."""

FREE_SHARE = 0.75
"""So many are spoilt where schemas hardly check."""

PLACES = (0, *[1] * 12, *[2] * 5, 3, 3)
"""How many places are spoilt."""

CUT = 0.02
"""So many are cut off somewhere."""

ALPHABETS = (0x80, 0x3000, 0xE000, 0x110000)
"""Where the characters of texts end."""

_FREE = (
    *("tools", "tools", "tools", "content", "content"),
    *("tool_choice", "input", "output", "system", "format"),
)
"""Fields whose values are hardly checked by schemas below their first level, as often as chosen."""


class Parts:
    """What valid bodies are made of.

    Args:
        valid: JSON objects.

    Attributes:
        bodies: all of them.
        having: those with a field that is hardly checked, by its name.
        free: those fields, as often as they are chosen.
        typed: every object in them that has a type: blocks, items, tools, parts of schemas.
        types: of those.
        fields: every field in them, by its name, with the values that it has.
    """

    def __init__(self, valid):
        self.bodies = valid
        self.having = {
            name: [body for body in valid if any(name in path for path in places(body))]
            for name in _FREE
        }
        self.free = [name for name in _FREE if self.having[name]]
        typed, fields = {}, {}
        for body in valid:
            for path in places(body):
                value = look_up(body, path)
                if path and isinstance(path[-1], str):
                    fields.setdefault(path[-1], {})[json.dumps(value)] = value
                if path and isinstance(value, dict) and isinstance(value.get("type"), str):
                    typed[json.dumps(value)] = value
        self.typed = list(typed.values()) or [{"type": "text", "text": "x"}]
        self.types = sorted({value["type"] for value in self.typed})
        self.fields = {name: list(fields[name].values()) for name in sorted(fields)}


def bodies(valid, passes):
    """The bytes of bodies: each is one of the valid ones, with up to three places spoilt.

    Args:
        valid: JSON objects.
        passes: whether a JSON value would still pass the schema. Most bodies do: what does not gets
            no further.
    """
    return _bodies(Parts(valid), passes)


@st.composite
def _bodies(draw, parts, passes):
    # Hypothesis itself would choose what stands first more often, and the same once more.
    random = draw(st.randoms(use_true_random=True))
    body = _spoilt(random, parts)
    if random.random() < PASSING:
        for _ in range(MOST_TRIES):
            if passes(body):
                break
            body = _spoilt(random, parts)
    text = json.dumps(body, ensure_ascii=random.random() < 0.5)
    text = text.replace(f'"{DEEPEST}"', "[" * 1200 + "]" * 1200)
    data = text.encode("utf-8", "surrogatepass")
    return data[: random.randint(0, len(data))] if random.random() < CUT else data


def _spoilt(random, parts):
    field = random.choice(parts.free)
    is_free = random.random() < FREE_SHARE
    body = copy.deepcopy(random.choice(parts.having[field] if is_free else parts.bodies))
    for _ in range(random.choice(PLACES)):
        paths = list(places(body))
        if len(paths) > MOST_VALUES or not isinstance(body, dict):
            break
        within = [path for path in paths if field in path]
        path = random.choice(within if is_free and within else paths)
        body = random.choice(WAYS)(random, body, path, parts)
    return body


def _retype(random, body, path, parts):
    return replaced(body, path, random.choice(ODD))


def _drop(random, body, path, parts):
    return replaced(body, path, GONE) if path else body


def _null(random, body, path, parts):
    return replaced(body, path, None)


def _move(random, body, path, parts):
    """The value of another place."""
    other = random.choice(list(places(body)))
    return replaced(body, path, copy.deepcopy(look_up(body, other)))


def _repeat(random, body, path, parts):
    value = look_up(body, path)
    if isinstance(value, list):
        return replaced(body, path, value * random.choice(REPEATS))
    if isinstance(value, str):
        return replaced(body, path, value * random.choice(REPEATS))
    return replaced(body, path, [value, value])


def _nest(random, body, path, parts):
    value, depth = look_up(body, path), random.choice(DEPTHS)
    key = random.choice([None, "content", "items", "properties", "x"])
    for _ in range(depth):
        value = [value] if key is None else {key: value}
    return replaced(body, path, value)


def _text(random, body, path, parts):
    """Any text, half a surrogate pair included."""
    text = "".join(
        chr(random.randrange(random.choice(ALPHABETS))) for _ in range(random.randrange(20))
    )
    return replaced(body, path, text)


def _add(random, body, path, parts):
    """A field that is unknown here: one of another place, or of no API."""
    path = _object(body, path)
    name = random.choice([*parts.fields, "of_tomorrow", "__proto__", ""])
    return replaced(body, (*path, name), random.choice(ODD))


def _lend(random, body, path, parts):
    """A field of another object, or another value that a field of this one has elsewhere."""
    path = _object(body, path)
    known = [name for name in look_up(body, path) if name in parts.fields]
    name = random.choice(known if known and random.random() < FREE_SHARE else list(parts.fields))
    value = random.choice(parts.fields[name])
    return replaced(body, (*path, name), copy.deepcopy(value))


def _rename(random, body, path, parts):
    """The type of another object, whose fields this one lacks."""
    path = _object(body, path)
    return replaced(body, (*path, "type"), random.choice(parts.types))


def _graft(random, body, path, parts):
    """Another object that has a type; in a list, it comes on top."""
    new = copy.deepcopy(random.choice(parts.typed))
    value = look_up(body, path)
    return replaced(body, path, [*value, new] if isinstance(value, list) else new)


def _sink(random, body, path, parts):
    return replaced(body, path, DEEPEST)


def _object(body, path):
    """The path of an object: the innermost around a value, or the value itself."""
    while not isinstance(look_up(body, path), dict):
        path = path[:-1]
    return path


WAYS = (
    *(_retype, _retype, _retype, _drop, _drop, _null, _move, _repeat, _nest, _text, _add, _sink),
    *(_lend, _lend, _rename, _rename, _graft, _graft),
)
"""What is done to a place; what translators stumble over more often than by chance."""
