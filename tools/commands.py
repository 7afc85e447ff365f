"""Writes docs/cli.md from the commands as they are declared.

python -m tools.commands           writes the page
python -m tools.commands --check   fails if the page is not what it would write
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from tools.pages import write_or_check
from tornado_router.cli.main import main as tornado_router

HEAD = """\
# Commands

<!-- Made by `python -m tools.commands` from the declarations; do not edit. -->

`tornado-router COMMAND --help` says the same in a terminal. Commands read `router.toml` in the
current folder unless `--config FILE` or the environment variable `TORNADO_ROUTER_CONFIG` names
another file. [Administration](administration.md) shows the commands for users, credits, invites
and keys at work.
"""


def page() -> str:
    """The whole page."""
    root = click.Context(tornado_router, info_name="tornado-router")
    return "\n".join([HEAD, *_sections(root)])


def _sections(parent: click.Context) -> Iterator[str]:
    assert isinstance(parent.command, click.Group)
    for name in parent.command.list_commands(parent):
        command = parent.command.get_command(parent, name)
        assert command is not None
        context = click.Context(command, parent, info_name=name)
        is_group = isinstance(command, click.Group)
        if not is_group or command.invoke_without_command:
            yield _section(context)
        if is_group:
            yield from _sections(context)


def _section(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [
        f"## `{context.command_path}`",
        inspect.cleandoc(command.help or ""),
        f"```\n{usage}\n```",
    ]
    rows = [_row(item, context) for item in command.params if _is_listed(item)]
    if rows:
        parts.append("\n".join(["| option | default | what it does |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _is_listed(item: click.Parameter) -> bool:
    # The head of the page has said what --config does.
    return isinstance(item, click.Option) and "--config" not in item.opts


def _row(option: click.Parameter, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert isinstance(option, click.Option)
    assert record is not None
    names = record[0].replace("|", "\\|")
    return f"| `{names}` | {_default(option)} | {option.help or ''} |"


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    is_worth_saying = isinstance(option.default, str | int) and not option.is_flag
    return f"`{option.default}`" if is_worth_saying and option.default != "" else ""


if __name__ == "__main__":
    write_or_check("cli.md", page(), "tools.commands")
