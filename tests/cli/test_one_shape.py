"""`--json` and the API answer alike: a program can go from one to the other."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from indexer.library.found_text import FoundText, store_found_text
from indexer.library.library import Library
from tests.cli.commands import pixelseek
from tests.engine.libraries import SENTENCE
from tests.web.applications import opened

PAGING = {"next": None}


def without_thumbnails(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without the addresses that only a server has."""
    return answer | {"hits": [{k: v for k, v in hit.items() if k != "thumbnail"} for hit in answer["hits"]]}


def printed(*arguments: str | Path) -> dict[str, Any]:
    run = pixelseek(*arguments, "--json")
    assert run.exit_code == 0, run.stderr
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def answered(client: FlaskClient, address: str, **query: str) -> dict[str, Any]:
    response = client.get(f"/api/v1/{address}", query_string=query)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def near(value: Any) -> Any:
    """What equals `value` and any value with nearly its numbers: a library keeps features in half precision."""
    if isinstance(value, dict):
        return {name: near(part) for name, part in value.items()}
    if isinstance(value, list):
        return [near(part) for part in value]
    return pytest.approx(value, abs=0.01) if isinstance(value, float) else value


def test_the_terminal_prints_what_the_api_answers(tmp_path: Path, photos: Path, word_weights: Path) -> None:
    folder = shutil.copytree(photos, tmp_path / "photos")
    shutil.copy(photos / "scene 05.jpg", folder / "copy.jpg")
    library, photo = ("--library", tmp_path / "library"), folder / "scene 07.jpg"
    weights = ("--weights", word_weights)
    assert pixelseek("index", folder, *library, *weights).exit_code == 0
    pixelseek("caption", photo, "Aunt Mary", "--tag", "cake", *library)
    with Library.open(tmp_path / "library") as written, written.catalog.begin() as connection:
        store_found_text(connection, {written.photo_at(photo).id: [FoundText("EXIT", 0.9, [[0.0, 0.5]] * 4)]}, {})
    with opened(tmp_path / "library", None) as app:
        client = app.test_client()
        for sentence in (SENTENCE, f"{SENTENCE} -circle type:jpg", "type:jpg", "text:exit", "Mary"):
            by_api = without_thumbnails(answered(client, "search", q=sentence))
            by_terminal = printed("search", sentence, *library)
            assert by_api.pop("timings_ms").keys() == by_terminal.pop("timings_ms").keys()
            assert by_api == by_terminal | PAGING
        photo_id = next(hit["photo_id"] for hit in by_api["hits"] if hit["path"] == str(photo))
        at = f"photos/{photo_id}"
        assert answered(client, at) == printed("caption", photo, *library)
        assert answered(client, at)["text"] == [{"text": "EXIT", "confidence": 0.9, "box": [[0.0, 0.5]] * 4}]
        assert without_thumbnails(answered(client, f"{at}/similar")) == printed("similar", photo, *library)
        uploaded = client.post("/api/v1/similar", data={"photo": (io.BytesIO(photo.read_bytes()), "a.jpg")})
        assert without_thumbnails(uploaded.get_json()) == printed("similar", photo, *library)
        assert answered(client, f"{at}/explain", q=SENTENCE) == near(printed("explain", photo, SENTENCE, *weights))
        assert answered(client, f"{at}/ask", q="what is red?") == near(printed("ask", photo, "what is red?", *weights))
        taught = [folder / f"scene 0{number}.jpg" for number in (1, 2, 3)]
        pixelseek("teach", "Rex", *taught, "--not", photo, *library)
        (word,) = answered(client, "taught-words")["words"]
        assert word["quality"]["tested"] == len(taught)
        assert answered(client, "taught-words") == near(printed("teach", "--list", *library))
        assert answered(client, f"taught-words/{word['id']}") == near(printed("teach", "rex", *library))
        assert answered(client, "status") == printed("status", *library)
        groups = [group["copies"] for group in printed("library", "duplicates", *library)["groups"]]
        group = next(copies for copies in groups if str(folder / "copy.jpg") in [copy["path"] for copy in copies])
        of_photo = answered(client, f"photos/{group[0]['photo_id']}/duplicates")["copies"]
        assert len(of_photo) > 1
        assert all(copy in group for copy in of_photo)


def test_lists_of_numbers_stand_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    from cli.output import print_json

    value = {"map": [[0.5, -1e-07], [1, 2]], "text": "[\n1\n]", "empty": [], "mixed": [1, None], "nested": [{"a": [3]}]}
    print_json(value)
    text = capsys.readouterr().out
    assert json.loads(text) == value
    assert "    [0.5, -1e-07],\n    [1, 2]\n" in text
    assert '"a": [3]\n' in text
