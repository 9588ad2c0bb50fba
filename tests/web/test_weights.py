"""A server whose weights are replaced, or gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from model.weights import WeightsError, find_weights
from tests.cli.test_watch import changed
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index
from tests.web.applications import hits, opened
from tests.web.test_indexing import ended
from web.service import service_of


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A library of `photos` as the shipped weights see them."""
    library = tmp_path_factory.mktemp("encoded")
    index(library, photos, find_weights())
    return library


def by_rename(weights: Path) -> None:
    others = shutil.copytree(weights, weights.with_name("others"))
    changed(others)
    weights.rename(weights.with_name("away"))
    others.rename(weights)


@pytest.mark.parametrize("replace", [changed, by_rename])
def test_weights_replaced_under_a_running_server_are_never_mixed_with_those_it_searches_with(
    encoded: Path, tmp_path: Path, replace: object
) -> None:
    weights = shutil.copytree(find_weights(), tmp_path / "weights")
    library = shutil.copytree(encoded, tmp_path / "library")
    with opened(library, weights) as app:
        client = app.test_client()
        before = hits(client)
        address = f"/api/v1/photos/{before[0]['photo_id']}/explain?q=red"
        explained = client.get(address).json
        assert callable(replace)
        replace(weights)
        after = client.get("/api/v1/search", query_string={"q": SENTENCE})
        if after.status_code == 200:
            assert after.json
            assert after.json["hits"] == before
        else:
            assert after.status_code == 503
            assert f"{weights} holds other weights than when it was opened" in after.get_json(force=True)["detail"]
        late = client.get(address)
        if late.status_code == 200:
            assert late.json == explained, "the odds are those of the weights that it searches with"
        else:
            assert late.status_code == 503, "a graph that was not loaded yet is not loaded beside other weights"
            assert "Put the old ones back, or start again" in late.get_json(force=True)["detail"]
        for page in ("/", "/filters", "/library", f"/photos/{before[0]['photo_id']}"):
            assert client.get(page).status_code == 200, page


def test_without_weights_everything_but_the_search_goes_on(tmp_path: Path, photos: Path) -> None:
    weights = shutil.copytree(find_weights(), tmp_path / "weights")
    copy = shutil.copytree(photos, tmp_path / "photos")
    index(tmp_path / "library", copy, weights)
    shutil.rmtree(weights)
    with opened(tmp_path / "library", None, ROOTS=[copy]) as app:
        client = app.test_client()
        assert f"{PHOTO_COUNT} photos" in client.get("/").text
        assert client.get("/healthz").json == {"status": "ok", "photos": PHOTO_COUNT}
        (photo_id, *_) = service_of(app).view().photo_ids().tolist()
        word = service_of(app).view().teach_word("Rex")
        service_of(app).view().answer(word.id, [photo_id], shown=True)
        pages = ("/filters", "/library", "/similar", f"/photos/{photo_id}", "/teach", f"/teach/{word.id}", "/api")
        for page in (*pages, "/api/v1/status", "/metrics"):
            assert client.get(page).status_code == 200, page
        for part in ("", "/thumbnail", "/image", "/duplicates"):
            assert client.get(f"/api/v1/photos/{photo_id}{part}").status_code == 200, part
        assert client.get("/api/v1/facets").status_code == 200
        for search in ("/?q=red", "/api/v1/search?q=red", f"/api/v1/photos/{photo_id}/explain?q=red"):
            answer = client.get(search)
            assert answer.status_code == 503, search
            assert f"o weights called {weights}" in answer.text, "a page begins its sentences with a capital"
        client.post("/api/v1/index")
        job = ended(client)
        assert (job["state"], str(weights) in str(job["message"])) == ("failed", True)


def test_weights_that_were_named_must_be_there(encoded: Path) -> None:
    with pytest.raises(WeightsError, match="no weights called nothing"), opened(encoded, Path("nothing")):
        pass


def test_indexing_from_a_page_uses_the_network_that_searches(library: Path, weights: Path, photos: Path) -> None:
    with opened(library, weights, ROOTS=[photos]) as app:
        client = app.test_client()
        hits(client)
        network = service_of(app).model().runtime
        client.post("/api/v1/index")
        assert ended(client)["state"] == "done"
        assert service_of(app).model().runtime is network
        assert service_of(app).engine()._runtime is network


def test_a_server_without_a_library_searches_with_the_weights_that_make_one(
    tmp_path: Path, photos: Path, weights: Path
) -> None:
    with opened(tmp_path / "library", None) as app:
        client = app.test_client()
        assert client.get("/api/v1/search", query_string={"q": SENTENCE}).status_code == 503
        index(tmp_path / "library", photos, weights)
        assert len(hits(client)) == PHOTO_COUNT
        assert service_of(app).model().folder == weights
