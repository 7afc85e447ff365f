"""The price list of the package `genai-prices`, read without the package's own code.

The list is a module of the package that calls constructors of its types. Those stand on Pydantic,
and importing them is most of a router's start; here the same module is given those of `types`.
Later versions may say more than these know: then it cannot be read, and the package is asked.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

from tornado_router.routing.price_list.types import ModelPrice, Provider

PACKAGE = "genai_prices"
_COMPACT_DATE = re.compile(r"(-)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


class UnreadableError(Exception):
    """The list has something that is not known here."""


def find_prices(model: str, vendor: str | None, base_url: str | None) -> ModelPrice | None:
    """The prices that hold now of a vendor's model, as the package finds them.

    Args:
        model: as its vendor calls it.
        vendor: its name, or None if it is known by its address.
        base_url: the address.

    Raises:
        UnreadableError: see there.
    """
    if vendor and vendor.lower() == "litellm":
        raise UnreadableError  # the vendor is in the name of the model
    provider = _by_name(vendor) if vendor is not None else _by_address(base_url or "")
    if provider is None:
        return None
    name = model.lower()
    for spelling in dict.fromkeys((name, _COMPACT_DATE.sub(_dashed, name))):
        for candidate in _with_fallbacks(provider):
            for found in candidate.models:
                if found.match(spelling):
                    return found.prices_at(datetime.datetime.now(datetime.UTC))
    return None


@cache
def _providers() -> list[Provider]:
    """All of the list: nothing is fetched.

    Raises:
        UnreadableError: see there.
    """
    package = find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        return []
    path = Path(package.submodule_search_locations[0]) / "data.py"
    # As a sibling of `types`, which it imports all of.
    spec = spec_from_file_location(f"{__name__}.data", path)
    if spec is None or spec.loader is None:
        raise UnreadableError
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        providers: list[Provider] = module.providers
    except Exception as error:
        raise UnreadableError from error
    return providers


def _by_name(vendor: str) -> Provider | None:
    name = vendor.lower().strip()
    known = _providers()
    exact = (item for item in known if item.id == name)
    alike = (item for item in known if item.provider_match and item.provider_match(name))
    return next(exact, None) or next(alike, None)


def _by_address(base_url: str) -> Provider | None:
    found = (item for item in _providers() if re.match(item.api_pattern, base_url))
    return next(found, None)


def _with_fallbacks(provider: Provider) -> Iterator[Provider]:
    """A provider, then those whose models it sells, too."""
    yield provider
    for name in provider.fallback_model_providers or ():
        yield from [item for item in _providers() if item.id == name][:1]


def _dashed(match: re.Match[str]) -> str:
    """`-20251211` as `-2025-12-11`, if there is such a day."""
    _, *digits = match.groups()
    try:
        return f"-{datetime.date(*map(int, digits))}"
    except ValueError:
        return match[0]
