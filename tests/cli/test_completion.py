"""Completion in a shell: what Tab offers, and what `--install` changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.library.library import Library
from tests.cli.commands import ROOT, RUN, pixelseek

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_installed_once_and_what_the_user_wrote_stays(home: Path, shell: str) -> None:
    written = b"alias ll='ls -l'  # caf\xe9, no line break at the end"
    settings = home / f".{shell}rc"
    settings.write_bytes(written)
    first = pixelseek("completion", shell, "--install")
    assert first.exit_code == 0
    files = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    script = next(path for path, content in files.items() if path != settings)
    assert f"Wrote {script}\n" in first.stdout
    assert script.read_text() == pixelseek("completion", shell).stdout
    if shell == "fish":
        assert settings.read_bytes() == written, "fish reads the script without being told"
    else:
        assert settings.read_bytes().startswith(written + b"\n")
        assert f"Added to {settings}: " in first.stdout
    again = pixelseek("completion", shell, "--install")
    assert again.stdout == "Nothing to change.\n"
    assert files == {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    script.write_text("of an older Pixelseek")
    assert pixelseek("completion", shell, "--install").stdout.startswith(f"Wrote {script}\n")
    assert files == {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_the_users_shell_is_taken_where_none_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert pixelseek("completion").stdout == pixelseek("completion", "fish").stdout
    for shell, reason in (("/bin/tcsh", "your shell, tcsh, cannot complete"), ("", "not known which shell")):
        monkeypatch.setenv("SHELL", shell)
        refused = pixelseek("completion", "--install")
        assert (refused.exit_code, reason in refused.stderr) == (1, True)
    assert list(home.iterdir()) == []


def _offered_by_bash(home: Path, *typed: str) -> list[str]:
    """What bash offers for these words, of which the last one is being typed, after it has read the settings."""
    (home / "bin").mkdir(exist_ok=True)
    program = home / "bin" / "pixelseek"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -c "{RUN}" "$@"\n')
    program.chmod(0o755)
    words = " ".join(f"'{word}'" for word in typed)
    script = (
        f"PATH={home}/bin:$PATH; . {home}/.bashrc; COMP_WORDS=(pixelseek {words}); COMP_CWORD={len(typed)}; "
        '_pixelseek_completion pixelseek; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return run.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="this machine has no bash")
def test_bash_offers_commands_and_options(home: Path) -> None:
    pixelseek("completion", "bash", "--install")
    assert _offered_by_bash(home, "se") == ["search", "serve"]
    assert _offered_by_bash(home, "library", "dup") == ["duplicates"]
    assert _offered_by_bash(home, "search", '"a dog"', "--copy") == ["--copy-to"]
    assert _offered_by_bash(home, "completion", "z") == ["zsh"]
    assert _offered_by_bash(home, "teach", "R") == [], "there is no library"
    with Library.open(home / "library", create=True) as library:
        for name in ("Réx", "Max"):
            library.teach_word(name)
    assert _offered_by_bash(home, "teach", "--library", f"{home}/library", "re") == ["Réx"]
