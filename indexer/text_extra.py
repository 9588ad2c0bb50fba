"""The extra `text`: RapidOCR with the models of PP-OCRv6, which are inside its package. It imports nothing heavy."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from indexer.library.settings import Settings

MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
}
"""The file of each model, by the name of its part in RapidOCR's configuration."""


def models_folder() -> Path | None:
    """The folder with all the models; None where the extra is not installed."""
    spec = find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0], "models")
    return folder if all((folder / name).is_file() for name in MODELS.values()) else None


def reads_text(library: Path) -> bool:
    """Whether the text in photos of this library is read: the extra is installed, and the settings allow it."""
    return Settings.load(library).read_text and models_folder() is not None
