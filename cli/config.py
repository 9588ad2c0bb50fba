"""`pixelseek config`: the settings of a library."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.options import chosen_library, json_option, library_option
from cli.output import print_json, printable


@click.command()
@click.argument("name", required=False, help="A setting. Default: print all of them.")
@click.argument("values", nargs=-1, metavar="[VALUE]...", help="Set it to this; exclude takes several.")
@click.option("--unset", is_flag=True, help="Go back to the default.")
@library_option
@json_option
def config(name: str | None, values: tuple[str, ...], unset: bool, library: Path | None, as_json: bool) -> None:
    """Print the settings of a library, or change one.

    They are kept in pixelseek.toml in the library's folder, which you may edit too. An option of a command overrides
    them. A running server follows a new shortlist at once, and the others when it is started again.

    Example: pixelseek config shortlist 128
    """
    from indexer.library.defaults import CATALOG_FILE
    from indexer.library.errors import LibraryMissing
    from indexer.library.settings import (
        FIELDS,
        FILE,
        FILES_IN_FOLDER,
        IN_FOLDER,
        Settings,
        SettingsError,
        change,
        without_password,
    )

    folder = chosen_library(library)
    is_in_folder = (folder / CATALOG_FILE).exists()
    if name == "catalog" and (values or unset):
        _require_no_photos(folder, values[0] if values else IN_FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
    elif name == "files" and (values or unset):
        _prepare_other_files(folder, values[0] if values else FILES_IN_FOLDER)
    elif not is_in_folder and Settings.load(folder).catalog == IN_FOLDER:
        raise LibraryMissing(f"there is no library in {folder}. Make one with `pixelseek index FOLDER`.")
    if unset and (name is None or values):
        raise click.UsageError("--unset takes the name of a setting, and no value.")
    if name is not None and name not in FIELDS:
        raise SettingsError(f"there is no setting {name}. The settings are {', '.join(FIELDS)}.")
    if name == "index_factory" and values:
        _require_index_factory(folder, values[0])
    if name == "exclude":
        from indexer.selection import checked_patterns

        values = tuple(checked_patterns(values, Path("/")))
    is_changed = name is not None and (values or unset)
    settings = change(folder, name, values) if name is not None and is_changed else Settings.load(folder)
    shown = {key: value for key, value in asdict(settings).items() if name in (None, key)}
    for key in ("catalog", "vectors"):
        if key in shown:
            shown[key] = without_password(shown[key])
    if as_json:
        print_json(shown)
        return
    for key, value in shown.items():
        click.echo(f"{key} = {_toml(value)}")
        if name is None:
            click.echo(f"    {FIELDS[key].metadata['help']}")
    if name is None:
        click.echo(f"\n{printable(str(folder / FILE))}" + ("" if (folder / FILE).exists() else " (not there yet)"))


def _require_no_photos(folder: Path, url: str) -> None:
    """Raise SettingsError where a library would lose its catalog: it stays where it is, between folder and server."""
    from indexer.library.defaults import CATALOG_FILE
    from indexer.library.settings import IN_FOLDER, Settings, SettingsError, without_password

    before = Settings.load(folder).catalog
    has_photos = (folder / CATALOG_FILE).exists() or any(folder.glob("encodings-*.sqlite"))
    if has_photos and (before == IN_FOLDER) != (url == IN_FOLDER):
        raise SettingsError(
            f"the library in {folder} has a catalog already. Move it: pixelseek library move "
            f"{without_password(before)} {without_password(url)}"
        )


def _prepare_other_files(folder: Path, url: str) -> None:
    """Check the URL, and get the library ready for it, or a folder in which there is none yet."""
    from indexer.library.errors import LibraryMissing
    from indexer.library.settings import checked
    from indexer.library.writer import prepare_other_files

    checked("files", [url])
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(LibraryMissing):
        prepare_other_files(folder, url)


def _require_index_factory(folder: Path, factory: str) -> None:
    """Raise LibraryError unless what holds the vectors, FAISS or Milvus, can make such an index."""
    from indexer.library.faiss_index import new_index
    from indexer.library.milvus_collection import index_of
    from indexer.library.settings import BY_SIZE, FAISS, Settings

    if factory == BY_SIZE:
        return
    if Settings.load(folder).vectors == FAISS:
        new_index(256, factory, 10**6)
    else:
        index_of(factory)


def _toml(value: Any) -> str:
    """The value as it stands in the file."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else f'"{value}"'
