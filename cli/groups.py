"""Groups of commands that import the module of a command only when it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

_MAX_SHORT_HELP = 200  # characters: a first sentence is wrapped, not cut


class LazyGroup(click.Group):
    """The commands in the modules of one package: the command `some-thing` is `PACKAGE.some_thing.some_thing`.

    A command that is a group of its own is the package `PACKAGE.some_thing`.
    """

    def __init__(self, *arguments: Any, package: str, sections: Mapping[str, Sequence[str]], **options: Any) -> None:
        """`sections` has the names of the commands by the heading under which `--help` lists them."""
        super().__init__(*arguments, **options)
        self._package = package
        self._sections = sections
        self._names = tuple(name for names in sections.values() for name in names)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of the commands, in the order of `--help`."""
        return list(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name; None where there is none."""
        if cmd_name not in self._names:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"{self._package}.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands under their headings."""
        for heading, names in self._sections.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(heading):
                formatter.write_dl(
                    [(name, command.get_short_help_str(_MAX_SHORT_HELP)) for name, command in commands if command]
                )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; the error for an unknown one suggests the nearest name."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=self.possible_names(), ctx=ctx) from None

    def possible_names(self) -> list[str]:
        """The names that a command goes by, for suggestions."""
        return list(self._names)
