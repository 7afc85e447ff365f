"""Commands of installed packages, beside the router's own.

A package adds a command by an entry point in the group `tornado_router.commands` that names a
`click.Command`. The entry point `sync` becomes `tornado-router sync`, `import.acme` becomes
`tornado-router import acme`. A package is imported when its command is run or listed, and one that
does not load leaves all other commands working.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

FAULTS = (Exception, SystemExit)
"""What counts as a fault of a package, as in `plugins.registry`."""

ENTRY_POINT_GROUP = "tornado_router.commands"


@dataclass(frozen=True)
class PluginCommand:
    """A command that an installed package offers.

    Attributes:
        path: the words of the command, joined by dots.
        label: name and version of the distribution.
        entry_point: what names it.
    """

    path: str
    label: str
    entry_point: EntryPoint

    def load(self) -> click.Command | str:
        """Imports the command; returns a message if it cannot be used."""
        try:
            command = self.entry_point.load()
        except FAULTS as error:  # a plugin's fault stays the plugin's
            from tornado_router.observability.redaction import redact_forms  # noqa: PLC0415 - seldom

            return redact_forms(f"{self.label} does not load: {type(error).__name__}: {error}")
        if not isinstance(command, click.Command):
            return f"{self.label} does not load: {self.entry_point.value} is not a click.Command"
        return command


def plugin_commands() -> list[PluginCommand]:
    """Every command that an installed package offers, by its path."""
    found = []
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        distribution = entry_point.dist
        label = f"{distribution.name} {distribution.version}" if distribution else entry_point.value
        found.append(PluginCommand(entry_point.name, label, entry_point))
    return sorted(found, key=lambda item: (item.path, item.label))


class OpenGroup(click.Group):
    """A group of commands that installed packages add to.

    Args:
        *args: as for `click.Group`.
        prefix: what the entry points of its commands start with, such as `import.`.
        separate: commands that a distribution of this project adds, by name; a command that is not
            installed names the distribution to install.
        own: commands of the router that are imported when they are run or listed, by name, as
            `module:attribute`.
        **kwargs: as for `click.Group`.
    """

    def __init__(
        self,
        *args: Any,
        prefix: str = "",
        separate: Mapping[str, str] | None = None,
        own: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._prefix = prefix
        self._separate = separate or {}
        self._own = own or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See `click.Group`."""
        made = super().list_commands(ctx)
        return sorted({*made, *self._own, *self._separate, *(name for name, _ in self._offers())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group`; the router's own commands go first."""
        command = self.own_command(cmd_name)
        if command:
            return command
        offers = [offer for name, offer in self._offers() if name == cmd_name]
        if len(offers) > 1:
            labels = " and ".join(offer.label for offer in offers)
            return _UnusableCommand(cmd_name, f"offered by {labels}; uninstall all but one")
        if offers:
            loaded = offers[0].load()
            return _UnusableCommand(cmd_name, loaded) if isinstance(loaded, str) else loaded
        if cmd_name in self._separate:
            return _UnusableCommand(
                cmd_name, f"not installed: pip install {self._separate[cmd_name]}"
            )
        return None

    def own_command(self, name: str) -> click.Command | None:
        """A command of the router itself, imported by now."""
        if name not in self.commands and name in self._own:
            module, _, attribute = self._own[name].partition(":")
            self.add_command(getattr(import_module(module), attribute), name)
        return self.commands.get(name)

    def _offers(self) -> Iterator[tuple[str, PluginCommand]]:
        """The commands of installed packages that are directly in this group, by name."""
        for offer in plugin_commands():
            name = offer.path.removeprefix(self._prefix)
            if offer.path.startswith(self._prefix) and "." not in name:
                yield name, offer


class _UnusableCommand(click.Command):
    """Stands for a command that cannot be used, and refuses whatever its arguments are."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            name,
            callback=self._refuse,
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
            context_settings={"ignore_unknown_options": True},
            help=f"({why})",
            add_help_option=False,
        )
        self.why = why

    def _refuse(self, arguments: tuple[str, ...]) -> None:
        raise click.ClickException(f"{click.get_current_context().command_path}: {self.why}")


def fault_of(root: OpenGroup, offer: PluginCommand) -> str | None:
    """Why the command of an installed package cannot be run; None if it can."""
    *words, name = offer.path.split(".")
    group = root
    for word in words:
        found = group.own_command(word)
        if not isinstance(found, OpenGroup):
            return f"'{word}' is not a group that takes commands"
        group = found
    if group.own_command(name):
        return "the router has a command of this name"
    command = group.get_command(click.Context(group), name)
    return command.why if isinstance(command, _UnusableCommand) else None
