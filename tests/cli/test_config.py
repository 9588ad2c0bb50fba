"""The settings of a library: printed, changed, kept in a file that people may edit too."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from indexer.library.library import Library
from indexer.library.settings import FILE, Settings, SettingsError, change, without_password
from indexer.library.view import LibraryView
from tests.cli.commands import pixelseek
from tests.cli.test_errors import assert_fails
from tests.engine.libraries import SENTENCE
from tests.indexer.disks import read_only
from tests.indexer.object_server import move_features


@pytest.fixture(autouse=True)
def _empty_library(tmp_path: Path) -> None:
    Library.open(tmp_path, create=True).close()


def test_a_library_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    run = pixelseek("config", "--library", tmp_path)
    assert run.exit_code == 0, run.stderr
    assert "shortlist = 64\n" in run.stdout
    assert 'index_factory = "auto"\n' in run.stdout
    assert "exclude = []\n" in run.stdout
    assert run.stdout.endswith(f"{tmp_path / FILE} (not there yet)\n")
    assert not (tmp_path / FILE).exists(), "reading writes nothing"
    assert json.loads(pixelseek("config", "--json", "--library", tmp_path).stdout)["shortlist"] == 64


def test_a_setting_is_changed_printed_and_unset(tmp_path: Path) -> None:
    options = ("--library", tmp_path)
    assert pixelseek("config", "shortlist", "128", *options).stdout == "shortlist = 128\n"
    assert pixelseek("config", "exclude", "*.png", "drafts/", *options).stdout == 'exclude = ["*.png", "drafts/"]\n'
    assert pixelseek("config", "device", "cuda:1", *options).exit_code == 0
    assert pixelseek("config", "index_factory", "HNSW32", *options).exit_code == 0
    assert Settings.load(tmp_path) == Settings(128, "HNSW32", "cuda:1", 0, ("*.png", "drafts/"))
    assert pixelseek("config", "shortlist", *options).stdout == "shortlist = 128\n"
    assert pixelseek("config", "shortlist", "--unset", *options).stdout == "shortlist = 64\n"
    assert pixelseek("config", "shortlist", "--unset", *options).exit_code == 0, "a second time does no harm"


def test_what_a_person_wrote_into_the_file_stays(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("# the laptop is slow\nshortlist = 16  # enough\n\nthreads = 1\n")
    assert pixelseek("config", "threads", "2", "--library", tmp_path).exit_code == 0
    assert (tmp_path / FILE).read_text() == "# the laptop is slow\nshortlist = 16  # enough\n\nthreads = 2\n"


def test_settings_that_are_changed_at_once_are_all_changed(tmp_path: Path) -> None:
    values = {"threads": 2, "shortlist": 128, "device": "cpu", "index_factory": "Flat"}
    with ThreadPoolExecutor(len(values)) as threads:
        for _ in range(20):
            (tmp_path / FILE).unlink(missing_ok=True)
            together = Barrier(len(values))

            def set_one(name: str, value: object, together: Barrier = together) -> None:
                together.wait()
                change(tmp_path, name, [str(value)])

            for done in [threads.submit(set_one, *item) for item in values.items()]:
                done.result()
            changed = Settings.load(tmp_path)
            assert {name: getattr(changed, name) for name in values} == values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("colour", "red"), "there is no setting colour. The settings are shortlist, index_factory, "),
        (("shortlist", "0"), "shortlist must be a whole number from 1 to 1000, not 0."),
        (("shortlist", "many"), "not 'many'."),
        (("shortlist", "1", "2"), "shortlist takes one value, not 2"),
        (("threads", "-1"), "No such option"),
        (("threads", "5000"), "threads must be a whole number from 0 to 1024"),
        (("device", "the big one"), "device must be auto, cpu, cuda, mps or xpu, perhaps with a number"),
        (("device", "foo"), "perhaps with a number such as cuda:1, not 'foo'."),
        (("device", "gpu"), "not 'gpu'."),
        (("device", "auto:1"), "not 'auto:1'."),
        (("index_factory", "HNSW32,Nonsense"), "FAISS cannot make an index of it"),
        (("exclude", "["), "'['"),
        (("--unset",), "--unset takes the name of a setting"),
    ],
)
def test_a_wrong_setting_changes_nothing(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / FILE).write_text("shortlist = 16\n")
    run = pixelseek("config", *arguments, "--library", tmp_path)
    assert_fails(run, message, status=run.exit_code)
    assert run.exit_code in (1, 2)
    assert (tmp_path / FILE).read_text() == "shortlist = 16\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("shortlist = ", "is not a TOML file"),
        ("\x00", "is not a TOML file"),
        ('shortlist = "64"', "shortlist must be a whole number from 1 to 1000, not '64'."),
        ("shortlist = true", "not True."),
        ("short_list = 64", "there is no setting short_list"),
        ("[search]\nshortlist = 64", "there is no setting search"),
        ('exclude = "*.png"', 'exclude must be a list of patterns, such as ["*.png", "drafts/"]'),
    ],
)
def test_a_broken_file_is_named_with_the_key_and_is_left_as_it_is(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / FILE).write_text(content)
    for arguments in ((), ("shortlist", "32"), ("threads", "--unset")):
        assert_fails(pixelseek("config", *arguments, "--library", tmp_path), str(tmp_path / FILE), message)
    assert (tmp_path / FILE).read_text() == content


def test_a_missing_library_has_no_settings(tmp_path: Path) -> None:
    assert_fails(pixelseek("config", "shortlist", "9", "--library", tmp_path / "nowhere"), "there is no library in ")
    assert not (tmp_path / "nowhere").exists()


def test_no_settings_are_written_into_a_folder_of_photos(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert_fails(pixelseek("config", "shortlist", "9", "--library", tmp_path / "photos"), "there is no library in ")
    assert not list((tmp_path / "photos").iterdir())


def test_a_catalog_on_a_server_is_chosen_for_a_new_library_and_its_password_is_not_shown(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:s3cret@/photos?host=/nowhere"
    run = pixelseek("config", "catalog", url, "--library", tmp_path / "new")
    assert run.stdout == 'catalog = "postgresql+psycopg://me:***@/photos?host=/nowhere"\n', run.stderr
    assert Settings.load(tmp_path / "new").catalog == url
    assert "s3cret" not in pixelseek("config", "--json", "--library", tmp_path / "new").stdout
    assert_fails(pixelseek("status", "--library", tmp_path / "new"), "me:***@", "cannot be reached", "the setting")
    assert pixelseek("config", "catalog", "--unset", "--library", tmp_path / "new").exit_code == 0
    assert_fails(pixelseek("config", "catalog", url, "--library", tmp_path), "has a catalog already", "library move")


def test_vectors_on_a_server_are_chosen_by_its_url_and_its_password_is_not_shown(tmp_path: Path) -> None:
    url = "milvus://me:s3%40cret@host:19530/photos"
    run = pixelseek("config", "vectors", url, "--library", tmp_path)
    assert run.stdout == 'vectors = "milvus://me:***@host:19530/photos"\n', run.stderr
    assert Settings.load(tmp_path).vectors == url
    assert "s3" not in pixelseek("config", "--json", "--library", tmp_path).stdout
    assert_fails(
        pixelseek("config", "index_factory", "IVF512,RaBitQfs", "--library", tmp_path), "no index of vectors on Milvus"
    )
    for wrong in ("http://me:s3cret@host", "milvus://", "milvus://me:s3cret@host/a/b", "milvus://me:s3cret@host:99999"):
        with pytest.raises(SettingsError, match="vectors must be faiss or milvus://USER:PASSWORD@HOST") as error:
            change(tmp_path, "vectors", [wrong])
        assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("milvus://me:s3cret@host:19530/photos", "milvus://me:***@host:19530/photos"),
        ("postgresql+psycopg://me:s3@cr@t@host/photos", "postgresql+psycopg://me:***@host/photos"),
        ("postgresql://me@host/photos?password=s3cret&port=5", "postgresql://me@host/photos?password=***&port=5"),
        ("postgresql://me@host/photos", "postgresql://me@host/photos"),
        ("sqlite:///", "sqlite:///"),
    ],
)
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_setting_that_is_no_place_for_a_catalog_is_refused_without_its_password(tmp_path: Path) -> None:
    for url in ("mysql://me:s3cret@host/photos", "sqlite:////elsewhere", "postgresql+asyncpg://me:s3cret@host/photos"):
        with pytest.raises(SettingsError, match=r"catalog must be sqlite:/// or postgresql\+psycopg") as error:
            change(tmp_path, "catalog", [url])
        assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:s3cret@bucket/photos",
        "s3://bucket/photos?key=s3cret",
        "s3:///photos",
        "s3://bucket/a b",
        "file://relative",
        "file:///",
        "memory://photos",
        "/mnt/disk",
        "simplecache::s3://bucket",
    ],
)
def test_what_is_no_place_for_files_is_refused_and_no_key_is_shown(tmp_path: Path, url: str) -> None:
    run = pixelseek("config", "files", url, "--library", tmp_path)
    assert_fails(run, "files must be empty, or a URL such as s3://BUCKET/FOLDER or file:///mnt/disk/folder")
    assert "s3cret" not in run.stderr
    assert not (tmp_path / FILE).exists()


def test_a_library_that_has_files_elsewhere_does_not_lose_them_by_a_setting(library: Path, tmp_path: Path) -> None:
    place = (tmp_path / "disk").as_uri()
    assert pixelseek("config", "files", place, "--library", library).stdout == f'files = "{place}"\n'
    assert f"Files    pixel features and thumbnails in {place}" in pixelseek("status", "--library", library).stdout
    with LibraryView.open(library) as opened:
        move_features(opened, [1, 2])
    for arguments in (["--unset"], [""]):
        run = pixelseek("config", "files", *arguments, "--library", library)
        assert_fails(run, f"the pixel features of the library in {library} are in {place}", "delete ")
    shutil.move(tmp_path / "disk", tmp_path / "other")
    assert pixelseek("config", "files", (tmp_path / "other").as_uri(), "--library", library).exit_code == 0
    with LibraryView.open(library) as opened:
        assert opened.pixel_features([1, 2]).keys() == {1, 2}
    (encodings,) = library.glob("encodings-*.sqlite")
    encodings.unlink()
    assert pixelseek("config", "files", "--unset", "--library", library).exit_code == 0
    assert Settings.load(library).files == ""


def test_a_device_that_is_not_here_is_an_error_with_the_remedy(library: Path, weights: Path) -> None:
    options = ("--library", library, "--weights", weights)
    assert pixelseek("config", "device", "cuda:99", "--library", library).exit_code == 0, "another machine may have it"
    for named in ((), ("--device", "foo"), ("--device", "xpu:7")):
        run = pixelseek("search", SENTENCE, *options, *named)
        assert_fails(run, "cannot be used here", "Name another with --device", "pixelseek config device auto")
        assert len(run.stderr.splitlines()) == 1
    assert pixelseek("config", "device", "auto", "--library", library).exit_code == 0
    assert pixelseek("search", SENTENCE, *options).exit_code == 0


def test_settings_that_cannot_be_written_are_named(library: Path) -> None:
    with read_only(library):
        run = pixelseek("config", "shortlist", "9", "--library", library)
    assert_fails(run, f"{library / FILE} cannot be written: Read-only file system")
