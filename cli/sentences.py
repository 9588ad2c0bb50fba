"""Sentences as arguments: several words, and excluded words such as `-people`, which look like options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

_MINUS = "\u2212"
"""The minus sign: a query reads it as a hyphen, and Click does not take it for an option."""


class SentenceCommand(click.Command):
    """A command that reads `-people` as a word of its sentence. Options of one letter are only those it declares."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as Click does, with a minus sign in place of the hyphen of such words."""
        return super().parse_args(ctx, list(self._marked(ctx, args)))

    def _marked(self, ctx: click.Context, args: Sequence[str]) -> Iterator[str]:
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        names = {name for option in options for name in (*option.opts, *option.secondary_opts)}
        with_value = {name for option in options if not option.is_flag and not option.count for name in option.opts}
        short_with_value = tuple(name for name in with_value if not name.startswith("--"))
        is_value = all_words = False
        for argument in args:
            is_short = argument.startswith("-") and not argument.startswith("--") and len(argument) > 1
            known = argument in names or (bool(short_with_value) and argument.startswith(short_with_value))
            if is_short and not is_value and not all_words and not known:
                argument = _MINUS + argument[1:]
            yield argument
            all_words = all_words or (argument == "--" and not is_value)
            is_value = not is_value and not all_words and argument in with_value


def as_typed(words: Sequence[str]) -> str:
    """The sentence of these arguments.

    The shell has removed the quotes: an argument with a space in it was quoted as a whole. So all that follows the name
    of a filter or a minus in it is one value.
    """
    if len(words) == 1:
        return words[0]
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    from engine.filter_values import FILTERS

    head, colon, value = word.partition(":")
    if not any(letter.isspace() for letter in word) or '"' in word:
        return word
    if colon and head.lower() in FILTERS:
        return f'{head}:"{value}"'
    if word[0] in f"-{_MINUS}":
        return f'{word[0]}"{word[1:]}"'
    return word
