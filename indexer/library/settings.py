"""The settings of a library: `pixelseek.toml` in its folder, written by people or by `pixelseek config`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from indexer.library.errors import LibraryError
from model.atomic import replacing

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

FILE = "pixelseek.toml"
_LOCK = "settings.lock"
BY_SIZE = "auto"
"""The `index_factory` that chooses the FAISS index by the number of photos."""
IN_FOLDER = "sqlite:///"
"""The `catalog` in the library's folder."""
FAISS = "faiss"
"""The `vectors` that are compared on this machine."""
FILES_IN_FOLDER = ""
"""The `files` in the library's folder."""
HERE = "local"
"""The `reranker` that computes where the search does."""
MAX_SHORTLIST = 1000
"""A rerank holds the pixel features of the whole shortlist in memory: about 100 KB a photo."""
MAX_THREADS = 1024
_MAX_BYTES = 1 << 20
_DEVICE = re.compile(r"auto|(cpu|cuda|mps|xpu)(:\d+)?")
_POSTGRESQL = re.compile(r"postgresql(\+psycopg)?://\S+")
_MILVUS = re.compile(r"milvus://([^\s/@]+@)?[\w.-]+(:\d{1,5})?(/\w+)?/?")
_FILES = re.compile(r"file:///[^\s?#][^?#]*|(?!file:|memory:)[a-z][a-z0-9+.-]*://[^\s/?#@:]+(/[^\s?#@]*)?")
_RERANKER = re.compile(r"https?://[\w.:\[\]-]+(/[\w./~-]*)?")
_PASSWORD = re.compile(r"(?<=://)([^:@/]*):.*@|(?<=password=)[^&]*")


class SettingsError(LibraryError):
    """A settings file, or a setting, that cannot be used; the message names it and the remedy."""


def _setting(default: Any, help_text: str) -> Any:
    metadata = {"help": help_text}
    if isinstance(default, tuple):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """How a library is indexed and searched, unless an option of a command says otherwise."""

    shortlist: int = _setting(64, f"How many photos a search reranks, 1 to {MAX_SHORTLIST}.")
    index_factory: str = _setting(
        BY_SIZE, f"Kind of FAISS index, as a factory string such as HNSW32; {BY_SIZE}: by the number of photos."
    )
    device: str = _setting("auto", "Where the model computes: cpu, cuda, cuda:1; auto: a GPU where there is one.")
    threads: int = _setting(0, "How many threads and decoding processes to use; 0: as many as there are cores.")
    exclude: tuple[str, ...] = _setting((), "Patterns of what is left out of every folder, as in a .gitignore file.")
    read_text: bool = _setting(True, "Whether the text in photos is read, true or false; it needs the extra text.")
    catalog: str = _setting(IN_FOLDER, f"Where the catalog is, by a URL; {IN_FOLDER}: in the library's folder.")
    vectors: str = _setting(
        FAISS, f"Where vectors of photos are compared: {FAISS}, on this machine; or milvus://HOST:PORT/DATABASE."
    )
    files: str = _setting(
        FILES_IN_FOLDER, "Where pixel features and thumbnails are, by a URL; empty: in the library's folder."
    )
    reranker: str = _setting(HERE, f"Where photos are reranked: {HERE}, or at the URL of replicas on Ray Serve.")

    @classmethod
    def load(cls, library: Path) -> Settings:
        """The settings of the library in folder `library`; the defaults where it has no file.

        Raises SettingsError, which names the file, the key and the remedy.
        """
        path = library / FILE
        if not path.exists():
            return cls()
        import tomllib  # most libraries have no file: their commands need not wait for it

        try:
            if path.stat().st_size > _MAX_BYTES:
                raise SettingsError(f"{path} is larger than any settings file. Delete it, or put another in its place.")
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{path} is not a TOML file: {error}. Correct it, or delete it.") from error
        return cls(**{name: _checked(name, value, str(path)) for name, value in values.items()})


FIELDS = {field.name: field for field in dataclasses.fields(Settings)}


def change(library: Path, name: str, values: Sequence[str]) -> Settings:
    """Set the setting `name` of the library in folder `library` to what a person typed; to its default for no values.

    Comments and other settings in the file stay. Returns all settings. Raises SettingsError.
    """
    Settings.load(library)  # a broken file is reported before anything is written
    value = checked(name, values) if values else None
    import tomlkit
    from filelock import FileLock

    path = library / FILE
    try:
        with FileLock(library / _LOCK):  # another change at the same time would be lost
            document: TOMLDocument = (
                tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
            )
            if value is None:
                document.pop(name, None)
            else:
                document[name] = list(value) if isinstance(value, tuple) else value
            with replacing(path) as new:
                new.write_text(tomlkit.dumps(document), encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}. Is the disk full, or the folder not yours to write?"
        ) from error
    return Settings.load(library)


def checked(name: str, values: Sequence[str]) -> Any:
    """The value of the setting `name` that a person typed. Raises SettingsError."""
    return _checked(name, _typed(name, values), "the command line")


def _typed(name: str, values: Sequence[str]) -> Any:
    """The value that the words of a command line stand for."""
    _known(name, "the command line")
    if name == "exclude":
        return list(values)
    if len(values) > 1:
        raise SettingsError(f"{name} takes one value, not {len(values)}: {' '.join(values)}")
    if isinstance(FIELDS[name].default, bool):
        return {"true": True, "false": False}.get(values[0].lower(), values[0])
    if isinstance(FIELDS[name].default, int):
        try:
            return int(values[0])
        except ValueError:
            return values[0]
    return values[0]


def _checked(name: str, value: Any, where: str) -> Any:
    """The value of a setting. Raises SettingsError where it is of another type, or out of range."""
    _known(name, where)
    match name:
        case "shortlist":
            allowed, is_allowed = f"a whole number from 1 to {MAX_SHORTLIST}", _is_between(value, 1, MAX_SHORTLIST)
        case "threads":
            allowed, is_allowed = f"a whole number from 0 to {MAX_THREADS}", _is_between(value, 0, MAX_THREADS)
        case "read_text":
            allowed, is_allowed = "true or false", isinstance(value, bool)
        case "device":
            allowed = "auto, cpu, cuda, mps or xpu, perhaps with a number such as cuda:1"
            is_allowed = isinstance(value, str) and _DEVICE.fullmatch(value) is not None
        case "index_factory":
            allowed, is_allowed = f"{BY_SIZE} or a FAISS factory string", isinstance(value, str) and bool(value.strip())
        case "reranker":
            allowed = f"{HERE} or http://HOST:PORT/"
            is_allowed = isinstance(value, str) and (value == HERE or _RERANKER.fullmatch(value) is not None)
        case "catalog":
            allowed = f"{IN_FOLDER} or postgresql+psycopg://USER@HOST/DATABASE"
            is_allowed = isinstance(value, str) and (value == IN_FOLDER or _POSTGRESQL.fullmatch(value) is not None)
            if not is_allowed:
                raise SettingsError(f"{where}: {name} must be {allowed}, not {without_password(str(value))}.")
        case "vectors":
            allowed = f"{FAISS} or milvus://USER:PASSWORD@HOST:PORT/DATABASE"
            is_allowed = value == FAISS or (isinstance(value, str) and _is_milvus(value))
            if not is_allowed:
                raise SettingsError(f"{where}: {name} must be {allowed}, not {without_password(str(value))}.")
        case "files":
            allowed = "empty, or a URL such as s3://BUCKET/FOLDER or file:///mnt/disk/folder, without a password"
            is_allowed = isinstance(value, str) and (value == FILES_IN_FOLDER or _FILES.fullmatch(value) is not None)
            if not is_allowed:
                raise SettingsError(
                    f"{where}: {name} must be {allowed}, not {without_password(str(value).partition('?')[0])}."
                )
        case _:
            allowed = 'a list of patterns, such as ["*.png", "drafts/"]'
            is_allowed = isinstance(value, list) and all(isinstance(pattern, str) for pattern in value)
    if not is_allowed:
        raise SettingsError(f"{where}: {name} must be {allowed}, not {value!r}.")
    return tuple(value) if isinstance(value, list) else value


def _is_milvus(url: str) -> bool:
    """Whether it is the URL of a server of Milvus."""
    try:
        return _MILVUS.fullmatch(url) is not None and urlsplit(url).port != 0
    except ValueError:  # no port has such a number
        return False


def without_password(url: str) -> str:
    """The URL of a server as it may be shown."""
    return _PASSWORD.sub(lambda password: f"{password[1]}:***@" if password[1] is not None else "***", url)


def _known(name: str, where: str) -> None:
    if name not in FIELDS:
        raise SettingsError(f"{where}: there is no setting {name}. The settings are {', '.join(FIELDS)}.")


def _is_between(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
