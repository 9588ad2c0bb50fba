"""`pixelseek completion`: let a shell complete commands and options."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.output import printable
from model.errors import PixelseekError
from model.paths import expanded, home_folder

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

_SHELLS = ("bash", "zsh", "fish")
_MARK = "# pixelseek: completion"
_ZSH_START = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"
"""Most people's .zshrc has turned completion on before; where none has, `compdef` is missing."""


class CompletionError(PixelseekError):
    """The shell cannot complete; the message says why."""


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False, help="Default: the shell that you use.")
@click.option("--install", is_flag=True, help="Set it up in your home folder, and say what has changed there.")
@click.pass_context
def completion(ctx: click.Context, shell: str | None, install: bool) -> None:
    """Let your shell complete commands and options with the Tab key.

    Prints the script for the shell. With --install, the script is kept among your settings, and a line is added to the
    shell's own file that reads it; fish reads it without such a line. A second time changes nothing.

    Example: pixelseek completion --install
    """
    from click.shell_completion import get_completion_class

    name = shell or _shell_in_use()
    kind = get_completion_class(name)
    assert kind is not None, name
    root = ctx.find_root()
    script = _script(kind(root.command, {}, root.info_name or "pixelseek", "_PIXELSEEK_COMPLETE"))
    if not install:
        click.echo(script, nl=False)
        return
    changes = _install(name, script)
    for change in changes:
        click.echo(change)
    click.echo(f"Start {name} anew, and press Tab after `pixelseek`." if changes else "Nothing to change.")


def _shell_in_use() -> str:
    """The name of the user's shell. Raises CompletionError where it is none that can complete."""
    name = Path(os.environ.get("SHELL", "")).stem
    if name not in _SHELLS:
        used = f"your shell, {printable(name)}, cannot complete" if name else "it is not known which shell you use"
        raise CompletionError(f"{used}. Name one of {', '.join(_SHELLS)}: pixelseek completion bash")
    return name


def _script(complete: ShellComplete) -> str:
    """The script that the shell reads."""
    # Not `source()`, which for bash looks for an installed one.
    script = (complete.source_template % complete.source_vars()).strip() + "\n"
    return _ZSH_START + script if complete.name == "zsh" else script


def _install(shell: str, script: str) -> list[str]:
    """Write the script, and have the shell read it. A line for each file that was changed."""
    from platformdirs import user_config_path

    if shell == "fish":
        configuration = _folder_in("XDG_CONFIG_HOME") or home_folder() / ".config"
        return _write(configuration / "fish" / "completions" / "pixelseek.fish", script)
    file = user_config_path("pixelseek", appauthor=False) / f"completion.{shell}"
    folder = (_folder_in("ZDOTDIR") if shell == "zsh" else None) or home_folder()
    script_path = shlex.quote(str(file))
    line = f"[ ! -r {script_path} ] || . {script_path}  {_MARK}"
    return _write(file, script) + _add_line(folder / f".{shell}rc", line)


def _folder_in(variable: str) -> Path | None:
    """The folder that the environment names; None where it names none."""
    named = os.environ.get(variable)
    return expanded(named) if named else None


def _write(file: Path, script: str) -> list[str]:
    from model.atomic import replacing

    if file.exists() and file.read_text(encoding="utf-8") == script:
        return []
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as new:
        new.write_text(script, encoding="utf-8")
    return [f"Wrote {printable(str(file))}"]


def _add_line(file: Path, line: str) -> list[str]:
    """Append the line to the file unless it has it. What it has is never rewritten: it is the user's."""
    known = file.read_bytes() if file.exists() else b""
    if re.search(rb"^" + re.escape(os.fsencode(line)) + rb"\s*$", known, re.MULTILINE):
        return []
    start = b"" if not known or known.endswith(b"\n") else b"\n"
    with file.open("ab") as opened:
        opened.write(start + os.fsencode(line) + b"\n")
    return [f"Added to {printable(str(file))}: {printable(line)}"]
