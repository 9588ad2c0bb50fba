"""By which names weights are found, and that nobody else is asked for them unless the user says so."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest

from model.bundle import TrainedModel
from model.weights import DEFAULT, FILES, SHIPPED, WeightsError, find_weights, lasting_name
from tests.model.runtime.test_onnx_runtime import tiny

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("originals"))


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Whom anybody asks meanwhile: there is no network here, and nobody may try."""
    asked: list[object] = []

    def refuse(*address: object, **_options: object) -> object:
        asked.append(address)
        raise OSError("there is no network")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _seconds: None)  # between its tries
    return asked


@pytest.mark.parametrize("form", ["my runs/mine", "runs/mi.ne", "./runs/mine", "mine", "über/Übung", "-x/--y"])
def test_a_folder_is_found_from_where_it_is_named_and_later_from_anywhere(
    originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    folder = shutil.copytree(originals, tmp_path / form)
    monkeypatch.chdir(tmp_path)
    lasting = TrainedModel(form).lasting_name
    assert lasting == str(folder)
    monkeypatch.chdir("/")
    assert find_weights(lasting) == folder
    with pytest.raises(WeightsError) as error:
        find_weights(form)
    assert f"no weights called {form}: there is no such folder in /," in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        "x" * 5000,
        "my runs/mine", "runs/mine", "owner/name", "a/b/c", "/nowhere/at all", "~nobody/weights", "..nowhere",
        "nul\0byte", "https://huggingface.co/owner/name", "hf", "HF:owner/name@v1", " ", "",
    ],
)  # fmt: skip
def test_what_is_no_weights_gets_one_line_and_nobody_is_asked(name: str, network: list[object]) -> None:
    with pytest.raises(WeightsError, match=r"no weights called|not a complete Pixel-BERT") as error:
        find_weights(name)
    assert len(str(error.value).splitlines()) == 1
    assert not network


@pytest.mark.parametrize("name", ["../..", "..", ".", "../weights"])
def test_a_shipped_name_leads_nowhere_else(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError):
        find_weights(name)


def test_shipped_weights_keep_their_name() -> None:
    assert lasting_name(DEFAULT, find_weights(DEFAULT)) == DEFAULT
    assert find_weights(SHIPPED / DEFAULT) == SHIPPED / DEFAULT


def test_the_folder_of_a_run_says_where_its_weights_are(originals: Path, tmp_path: Path) -> None:
    shutil.copytree(originals, tmp_path / "my run" / "weights")
    with pytest.raises(WeightsError, match=rf"--weights '{tmp_path}/my run/weights'"):
        find_weights(tmp_path / "my run")


def test_a_file_is_no_folder(originals: Path) -> None:
    with pytest.raises(WeightsError, match="there is no such folder"):
        find_weights(originals / "config.json")


def test_a_folder_whose_name_is_no_text_cannot_be_remembered(originals: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(originals, tmp_path / os.fsdecode(b"caf\xe9"))
    with pytest.raises(WeightsError, match="no text in UTF-8"):
        _ = TrainedModel(folder).lasting_name


@pytest.mark.parametrize(
    "name",
    ["hf:", "hf:owner/name", "hf:owner/name@", "hf:name@v1", "hf:owner/name@a b", "hf:a/b/c@v1", "hf:owner/name@v1\n"],
)
def test_a_repository_needs_owner_name_and_revision(name: str, network: list[object]) -> None:
    with pytest.raises(WeightsError, match=r"does not name weights on Hugging Face: hf:owner/name@revision does"):
        find_weights(name)
    assert not network


def test_a_repository_that_was_downloaded_is_read_from_here_and_remembered_by_its_commit(
    originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: list[object]
) -> None:
    cache = tmp_path / "models--owner--name"
    shutil.copytree(originals, cache / "snapshots" / COMMIT)
    (cache / "refs").mkdir()
    (cache / "refs" / "v1").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    model = TrainedModel("hf:owner/name@v1")
    assert model.folder == cache / "snapshots" / COMMIT
    assert model.lasting_name == f"hf:owner/name@{COMMIT}"
    assert TrainedModel(model.lasting_name).generation == model.generation
    assert not network


@pytest.mark.parametrize("name", ["hf:owner/name@v1", f"hf:owner/name@{COMMIT}", "hf:-/-@v1"])
def test_what_cannot_be_downloaded_gets_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=f"{name} is not on this machine and cannot be downloaded") as error:
        find_weights(name)
    assert len(str(error.value).splitlines()) == 1


def test_half_a_download_is_not_taken_for_weights(
    originals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = shutil.copytree(originals, tmp_path / "models--owner--name" / "snapshots" / COMMIT)
    (snapshot / FILES[1]).unlink()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"model\.safetensors missing|cannot be downloaded"):
        find_weights(f"hf:owner/name@{COMMIT}")
