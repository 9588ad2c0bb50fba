"""Runs inside a peer's own environment: CLIP searches as their documentation shows them, with random weights.

    python clip_pipeline.py LIBRARY make WEIGHTS
    python clip_pipeline.py LIBRARY index WEIGHTS PHOTOS STORE
    python clip_pipeline.py LIBRARY query WEIGHTS STORE SENTENCE

LIBRARY is `open_clip` or `sentence_transformers`. `make` of open_clip also writes the two ONNX files that rclip reads.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

BATCH = 32


class OpenClip:
    """open_clip's ViT-B/32: what clip-retrieval computes its embeddings with."""

    def __init__(self, weights: Path) -> None:
        import open_clip

        created = open_clip.create_model_and_transforms("ViT-B-32", pretrained=str(weights / "model.pt"))
        self.model, _, self.preprocess = created
        self.model.eval()
        self.tokenizer = open_clip.get_tokenizer("ViT-B-32")

    @staticmethod
    def make(weights: Path) -> None:
        """Random weights, and for rclip the same network at 256 pixels as ONNX files."""
        import open_clip

        torch.manual_seed(0)
        torch.save(open_clip.create_model("ViT-B-32").state_dict(), weights / "model.pt")
        model = open_clip.create_model("ViT-B-32-256").eval()
        folder = weights / "rclip" / "ViT-B-32-256-datacomp_s34b_b86k"
        folder.mkdir(parents=True)
        for name, encode, example in (  # two at a time: of a single one the exporter takes that as a fact
            ("visual", model.encode_image, torch.zeros(2, 3, 256, 256)),
            ("textual", model.encode_text, torch.zeros(2, 77, dtype=torch.long)),
        ):
            whole = torch.nn.Module()
            whole.model, whole.forward = model, encode
            torch.onnx.export(
                whole,
                (example,),
                folder / f"{name}.onnx",
                input_names=["input"],
                output_names=["output"],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                external_data=False,
                dynamo=True,
            )
        (weights / "rclip" / "tokenizer").mkdir()
        vocabulary = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
        shutil.copy(vocabulary, weights / "rclip" / "tokenizer")

    def images(self, paths: list[Path]) -> NDArray[np.float32]:
        """(B, 512), L2-normalised."""
        batch = torch.stack([self.preprocess(Image.open(path).convert("RGB")) for path in paths])
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(self.model.encode_image(batch), dim=-1).numpy()
        return vectors

    def text(self, sentence: str) -> NDArray[np.float32]:
        """(512,), L2-normalised."""
        encoded = self.model.encode_text(self.tokenizer([sentence]))
        vector: NDArray[np.float32] = torch.nn.functional.normalize(encoded, dim=-1)[0].numpy()
        return vector


class SentenceTransformers:
    """sentence-transformers' image search with its CLIP ViT-B/32."""

    def __init__(self, weights: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(str(weights / "clip"), device="cpu")

    @staticmethod
    def make(weights: Path) -> None:
        """A folder such as the hub has for `clip-ViT-B-32`."""
        import gzip

        import open_clip
        from open_clip.tokenizer import SimpleTokenizer
        from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

        torch.manual_seed(0)
        inner = weights / "clip" / "0_CLIPModel"
        inner.mkdir(parents=True)
        CLIPModel(CLIPConfig()).save_pretrained(inner)
        vocabulary_file = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
        merges = gzip.decompress(vocabulary_file.read_bytes()).decode().split("\n")
        (inner / "merges.txt").write_text("\n".join(["#version: 0.2", *merges[1 : 49152 - 256 - 2 + 1]]) + "\n")
        names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
        vocabulary = {names.get(piece, piece): row for piece, row in SimpleTokenizer().encoder.items()}
        (inner / "vocab.json").write_text(json.dumps(vocabulary))
        CLIPTokenizer(str(inner / "vocab.json"), str(inner / "merges.txt")).save_pretrained(inner)
        CLIPImageProcessor().save_pretrained(inner)
        module = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
        (weights / "clip" / "modules.json").write_text(json.dumps([module]))

    def images(self, paths: list[Path]) -> NDArray[np.float32]:
        """(B, 512), L2-normalised."""
        vectors: NDArray[np.float32] = self.model.encode(
            [Image.open(path) for path in paths], batch_size=BATCH, normalize_embeddings=True
        )
        return vectors

    def text(self, sentence: str) -> NDArray[np.float32]:
        """(512,), L2-normalised."""
        vector: NDArray[np.float32] = self.model.encode(sentence, normalize_embeddings=True)
        return vector


class Pipeline(Protocol):
    """A network that turns photos and sentences into vectors."""

    def images(self, paths: list[Path]) -> NDArray[np.float32]:
        """(B, E), L2-normalised."""

    def text(self, sentence: str) -> NDArray[np.float32]:
        """(E,), L2-normalised."""


LIBRARIES: dict[str, type[OpenClip] | type[SentenceTransformers]] = {
    "open_clip": OpenClip,
    "sentence_transformers": SentenceTransformers,
}


@torch.inference_mode()
def main(library: str, action: str, weights: Path, *rest: str) -> None:
    """Do it."""
    if action == "make":
        weights.mkdir(parents=True)
        LIBRARIES[library].make(weights)
        return
    model: Pipeline = LIBRARIES[library](weights)
    if action == "index":
        photos, store = Path(rest[0]), Path(rest[1])
        paths = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        vectors = [model.images(paths[start : start + BATCH]) for start in range(0, len(paths), BATCH)]
        store.mkdir(parents=True)
        np.save(store / "embeddings.npy", np.concatenate(vectors))
        (store / "paths.json").write_text(json.dumps([str(path) for path in paths]))
        return
    store, sentence = Path(rest[0]), rest[1]
    embeddings, names = np.load(store / "embeddings.npy"), json.loads((store / "paths.json").read_text())
    milliseconds = []
    for _ in range(8):
        start = time.perf_counter()
        similarities = embeddings @ model.text(sentence)
        best = np.argsort(-similarities)[:20]
        milliseconds.append(1000 * (time.perf_counter() - start))
    sys.stdout.write("\n".join(f"{similarities[row]:.3f} {names[row]}" for row in best) + "\n")
    sys.stderr.write(f"warm: {sorted(milliseconds)[len(milliseconds) // 2]}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
