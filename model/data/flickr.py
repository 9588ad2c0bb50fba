"""The token files of Flickr8k (Hodosh et al. 2013) and Flickr30k (Young et al. 2014).

A line is `NAME.jpg#0<tab>caption`. Flickr8k's splits lie beside the token file, as lists of names;
Flickr30k has none of its own, its users take Karpathy's.
"""

from __future__ import annotations

from pathlib import Path

from model.data.source import DatasetError, SourcePhoto

_LISTS = {"train": "Flickr_8k.trainImages.txt", "dev": "Flickr_8k.devImages.txt", "test": "Flickr_8k.testImages.txt"}


def read_flickr8k(tokens: Path, images: Path) -> tuple[list[SourcePhoto], int]:
    """The photos of the three official splits, and how many captioned ones are in none. Raises DatasetError."""
    captions = _captions(tokens)
    photos = []
    for split, listing in _LISTS.items():
        for name in _lines(tokens.with_name(listing)):
            if name not in captions:
                raise DatasetError(f"{tokens} has no caption for {name}, which {listing} names")
            photos.append(_photo("flickr8k", images, name, captions[name], split))
    return photos, len(captions) - len(photos)


def read_flickr30k(tokens: Path, images: Path, split: str) -> list[SourcePhoto]:
    """All photos, as `split`. Raises DatasetError."""
    return [_photo("flickr30k", images, name, texts, split) for name, texts in _captions(tokens).items()]


def _photo(dataset: str, images: Path, name: str, captions: list[str], split: str) -> SourcePhoto:
    return SourcePhoto(f"{dataset}_{Path(name).stem}", images / name, tuple(captions), split)


def _captions(tokens: Path) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(_lines(tokens), start=1):
        which, tab, caption = line.partition("\t")
        name, mark, _ = which.rpartition("#")
        if not tab or not mark or not caption.strip():
            raise DatasetError(f"{tokens}, line {number}: not NAME.jpg#0<tab>caption, but {line[:60]!r}")
        captions.setdefault(name, []).append(caption.strip())
    return captions


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
