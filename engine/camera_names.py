"""Names of cameras as people say them: `NIKON CORPORATION NIKON D750` is a Nikon D750."""

from __future__ import annotations

import re

_MAKERS = {
    "Agfa": "agfa( gevaert| photo)?|agfaphoto",
    "Apple": "apple",
    "Asus": "asus(tek)?",
    "BlackBerry": "blackberry|rim|research in motion",
    "Canon": "canon",
    "Casio": "casio",
    "DJI": "dji|sz dji",
    "Epson": "(seiko )?epson",
    "Fairphone": "fairphone",
    "Fujifilm": "fuji ?film|fuji photo film",
    "Google": "google",
    "GoPro": "gopro",
    "Hasselblad": "(victor )?hasselblad",
    "Honor": "honor",
    "HP": "hewlett[- ]packard|hp",
    "HTC": "htc",
    "Huawei": "huawei",
    "Insta360": "(arashi vision )?insta360|arashi vision",
    "Kodak": "eastman kodak|kodak|jk imaging",
    "Konica Minolta": "konica ?minolta",
    "Kyocera": "kyocera",
    "Leica": "leica",
    "Lenovo": "lenovo",
    "LG": "lge?",
    "Mamiya": "mamiya",
    "Microsoft": "microsoft",
    "Minolta": "minolta",
    "Motorola": "motorola",
    "Nikon": "nikon",
    "Nokia": "(hmd global )?nokia",
    "Nothing": "nothing",
    "Olympus": "olympus",
    "OM System": "om (digital solutions|system)",
    "OnePlus": "one ?plus",
    "Oppo": "oppo",
    "Panasonic": "panasonic|matsushita",
    "Pentax": "(asahi )?pentax",
    "Phase One": "phase one",
    "Polaroid": "polaroid",
    "Realme": "realme",
    "Ricoh": "ricoh",
    "Samsung": "samsung",
    "Sanyo": "sanyo",
    "Sharp": "sharp",
    "Sigma": "sigma",
    "Sony Ericsson": "sony ?ericsson",
    "Sony": "sony",
    "Toshiba": "toshiba",
    "Vivo": "vivo",
    "Xiaomi": "xiaomi",
    "Yashica": "yashica",
    "Zeiss": "(carl )?zeiss",
    "ZTE": "zte",
}
"""By the name that people use: how cameras write it, as a regular expression."""
_COMPANY = (
    r"(corp(oration)?|co|company|ltd|limited|inc(orporated)?|ag|gmbh|kk|pty|llc|optical|imaging|electric|electronics"
    r"|computer|techwin|technolog(y|ies)|mobile|communications( ab)?|digital solutions|global|camera|photo film|jena)"
)
_MAKER = re.compile(
    "|".join(f"(?P<maker{number}>{pattern})" for number, pattern in enumerate(_MAKERS.values())), re.IGNORECASE
)
_END_OF_NAME = re.compile(r"(?![^\W_])")
_AFTER_MAKER = re.compile(rf"([\s,.]+{_COMPANY}(?![\w-]))*[\s,.]*(?=\s|$)", re.IGNORECASE)
_AT_END = re.compile(r"\s+((zoom )?digital (still )?camera|digital (still )?camera)$", re.IGNORECASE)
_SHOUTED = re.compile(r"\b[A-Z]{5,}\b")


def camera_name(written: str) -> str:
    """The name of a camera, made of what it writes of itself: the maker once, without its company, and no shouting."""
    text = " ".join(written.split())
    maker, model = _maker_and_model(text)
    while maker is not None:
        inner, rest = _maker_and_model(model.lstrip("-_ "))
        if inner is None or not (inner == maker or rest):
            break
        maker, model = inner, rest
    model = _AT_END.sub("", model.lstrip("-_ ")) if maker is not None else _AT_END.sub("", model)
    model = _SHOUTED.sub(lambda word: word[0].capitalize(), model)
    return f"{maker} {model}".strip() if maker is not None else model or text


def _maker_and_model(text: str) -> tuple[str | None, str]:
    """The maker that `text` begins with, and what follows its company name; None and `text` where it is unknown."""
    match = _MAKER.match(text)
    if match is None or not _END_OF_NAME.match(text, match.end()):
        return None, text
    company = _AFTER_MAKER.match(text, match.end())
    follows = text[match.end() if company is None else company.end() :]
    name = next(maker for number, maker in enumerate(_MAKERS) if match[f"maker{number}"] is not None)
    return name, follows.strip()
