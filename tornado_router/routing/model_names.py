"""Which names of models a configuration knows, patterns among them."""

from __future__ import annotations

from fnmatch import fnmatchcase

from tornado_router.config.reader import Config
from tornado_router.routing.pattern_table import is_pattern, literal_head


class ModelNames:
    """The names that a router.toml makes.

    Args:
        config: the file.

    Attributes:
        targets: as `provider/model`, where the model may be a pattern.
        bare: the models of targets, without their providers.
        asked: what clients may ask for; patterns stand for more.
    """

    def __init__(self, config: Config) -> None:
        offered = [
            (table.name, model)
            for table in config.providers.values()
            for model in table.common.models
        ]
        self.targets = {f"{name}/{model}" for name, model in offered}
        self.targets |= {target for route in config.routes.values() for target in route.targets}
        self.bare = {target.partition("/")[2] for target in self.targets}
        listed = {model for _, model in offered if not is_pattern(model)}
        self.asked = self.targets | listed | config.routes.keys()

    def may_be_asked(self, name: str) -> bool:
        """Whether a name, or a pattern, means a model that clients may ask for."""
        return any(overlap(name, other) for other in self.asked)


def overlap(one: str, other: str) -> bool:
    """Whether two names or patterns may mean the same model."""
    if is_pattern(one) and is_pattern(other):
        head, other_head = literal_head(one), literal_head(other)
        return head.startswith(other_head) or other_head.startswith(head)
    return fnmatchcase(one, other) or fnmatchcase(other, one)
