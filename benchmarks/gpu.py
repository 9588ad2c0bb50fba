"""What one GPU does: encoding, joint passes, rerank, shortlists beside the CPU's, training; and the share of its peak.

    python -m benchmarks.gpu

Needs torch, timm, transformers and tokenizers, no library and no weights: networks of the shipped shape with random
weights take the same time. Shortlists of FAISS are measured where it is installed. The peak is that of one large
product, measured in the same run. `--device cpu --quick` runs the same code where there is no GPU.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from indexer.library.faiss_index import EXACT, SearchableIndex, coarse_index_for, inner_products, new_index
from indexer.library.gpu_search import gpu_engine
from model.image_processor import PixelBertImageProcessor
from model.network.configuration import PixelBertConfig
from model.network.pixelbert import PixelBertForPreTraining
from model.network.pixels import Tokens
from model.processor import SPECIAL_TOKENS, PixelBertProcessor, wordpiece_tokenizer
from model.runtime.protocol import EncodedText
from model.runtime.torch_runtime import TorchRuntime
from model.runtime.torch_search import TorchSearch
from model.training.recipe import load_recipe
from model.training.step import Batch, losses, total_loss

WORDS, PIXELS, SIDE = 15, 64, 256
LIBRARY, WIDTH, SHORTLIST, RERANKED = 1_000_000, 640, 128, 256
SENTENCES, BLOCK = 64, 1 << 16
COARSE, CPU = "proposed by", " on one core of the CPU"
ROUNDS = 5
Search = Callable[[NDArray[np.float32], NDArray[np.bool_] | None], NDArray[np.int64]]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="A hundredth of the work.")
    arguments = parser.parse_args()

    device, scale = torch.device(arguments.device), 100 if arguments.quick else 1
    torch.manual_seed(0)
    model = _network(PixelBertConfig(), device)
    peak = _peak(device, max(512, 8192 // scale))
    print(f"| | | of the peak, {peak / 1e12:.1f} TFLOP/s |\n|---|---|---|")
    _encoding(model, device, max(4, 512 // scale), peak)
    _joint(model, device, max(64, 8192 // scale), peak)
    _rerank(model, device, max(8, RERANKED // scale))
    _evaluate(model, device, max(2, 100 // scale), max(8, 5000 // scale))
    _search(device, LIBRARY // scale)
    _training(model, device, max(4, 256 // scale), peak)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    print(f"\nMedians of {ROUNDS}. {name}; torch {torch.__version__}, Python {platform.python_version()}")


def _network(config: PixelBertConfig, device: torch.device) -> PixelBertForPreTraining:
    model = PixelBertForPreTraining(config)
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-arg]
    return model


def _encoding(model: PixelBertForPreTraining, device: torch.device, count: int, peak: float) -> None:
    photos = torch.randn(count, 3, SIDE, SIDE, device=device).contiguous(memory_format=torch.channels_last)

    def encode() -> Tensor:
        return model.embed_image(model.pixelbert.encode_pixels(photos))

    model.eval()
    for dtype in _dtypes(device):
        seconds, flops = _measure(device, encode, dtype)
        _row(f"photos/s encoded, {dtype}", f"{count / seconds:,.0f}", flops / seconds / peak)


def _joint(model: PixelBertForPreTraining, device: torch.device, count: int, peak: float) -> None:
    size = model.config.hidden_size
    words = Tokens(torch.randn(count, WORDS, size, device=device), None)
    pixels = Tokens(torch.randn(count, PIXELS, size, device=device), None)
    whole = _network(PixelBertConfig(fusion_layer=0), device).eval()
    for network in (model.eval(), whole):
        layers = network.config.num_hidden_layers - network.config.fusion_layer
        for dtype in _dtypes(device):
            seconds, flops = _measure(device, lambda network=network: network.itm_logits(words, pixels), dtype)  # type: ignore[misc]
            _row(f"pairs/s through {layers} joint layers, {dtype}", f"{count / seconds:,.0f}", flops / seconds / peak)


def _rerank(model: PixelBertForPreTraining, device: torch.device, count: int) -> None:
    runtime, text, features = _runtime(model, 1, count)
    seconds = _seconds(device, lambda: runtime.itm_logits(text, features))
    _row(f"ms to rerank {count} photos whose pixel features lie in main memory", f"{1000 * seconds:.2f}")


def _evaluate(model: PixelBertForPreTraining, device: torch.device, captions: int, photos: int) -> None:
    runtime, text, features = _runtime(model, captions, photos)
    rows = np.repeat(np.arange(captions), photos).tolist()
    seconds = _seconds(device, lambda: runtime.itm_logits(text.select(rows), features * captions))
    _row(f"pairs/s of {captions} captions with {photos:,} photos each, as evaluate asks", f"{len(rows) / seconds:,.0f}")


def _runtime(
    model: PixelBertForPreTraining, captions: int, photos: int
) -> tuple[TorchRuntime, EncodedText, list[NDArray[np.float32]]]:
    """A runtime, and random states of as many captions and photos."""
    tokenizer = wordpiece_tokenizer({token: row for row, token in enumerate(SPECIAL_TOKENS)})
    random, size = np.random.default_rng(0), model.config.hidden_size
    words = list(random.standard_normal((captions, WORDS, size), dtype=np.float32))
    text = EncodedText(np.zeros((captions, 1), np.float32), words)
    features = list(random.standard_normal((photos, PIXELS, size), dtype=np.float32))
    return TorchRuntime(model, PixelBertProcessor(PixelBertImageProcessor(), tokenizer)), text, features


def _search(device: torch.device, count: int) -> None:
    """Shortlists from made-up vectors as long as those of the shipped weights, by the library's own search."""
    blocks = (torch.randn(min(BLOCK, count - start), WIDTH, device=device) for start in range(0, count, BLOCK))
    vectors = np.concatenate([block.half().cpu().numpy() for block in blocks])
    random = np.random.default_rng(0)
    sentences = random.standard_normal((SENTENCES, WIDTH), dtype=np.float32)
    tenth = random.random(count) < 0.1

    searches = {f"numpy{CPU}": _by_numpy(vectors), f"PyTorch on {device}": _by_torch(vectors, device)}
    if find_spec("faiss"):
        searches |= _by_faiss(vectors, str(device))
    expected: dict[str, list[list[int]]] = {}
    for name, search in searches.items():
        for kept, allowed in (("", None), (", a tenth of them allowed", tenth)):
            title = f"ms to find the nearest {SHORTLIST} of {count:,} photos{kept}, {name}"
            rounds = 1 if name.endswith(CPU) else ROUNDS  # seconds each
            seconds = _seconds(device, lambda search=search, allowed=allowed: search(sentences[0], allowed), rounds)  # type: ignore[misc]
            _row(title, f"{1000 * seconds:.2f}")
            found = [search(sentence, allowed).tolist() for sentence in sentences[:4]]
            if found != expected.setdefault(kept, found) and COARSE not in name:
                raise SystemExit(f"{name} finds other photos than numpy")
    for name, search in searches.items():
        if not name.endswith(CPU):
            seconds = _seconds(device, lambda search=search: [search(sentence, None) for sentence in sentences])  # type: ignore[misc]
            _row(f"ms each for {SENTENCES} sentences, one after another, {name}", f"{1000 * seconds / SENTENCES:.2f}")
    on_device = torch.from_numpy(vectors).to(device)
    columns = torch.from_numpy(sentences.T.copy()).to(device, on_device.dtype)
    seconds = _seconds(device, lambda: (on_device @ columns).topk(min(SHORTLIST, count), dim=0).indices.cpu())
    _row(
        f"ms each for {SENTENCES} sentences in one fp16 product, which no search does yet",
        f"{1000 * seconds / SENTENCES:.2f}",
    )
    if not find_spec("faiss"):
        print("| FAISS is not installed: not measured | | |")


def _by_numpy(vectors: NDArray[np.float16]) -> Search:
    count = min(SHORTLIST, len(vectors) // 20)

    def nearest(sentence: NDArray[np.float32], allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        rows = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
        products = inner_products(vectors, rows, sentence)
        best = np.argpartition(-products, count)[:count]
        return rows[best[np.lexsort((rows[best], -products[best]))]]

    return nearest


def _by_torch(vectors: NDArray[np.float16], device: torch.device) -> Search:
    """The nearest rows by a `TorchSearch`, put in order as `SearchableIndex` does."""
    search, count = TorchSearch(vectors, str(device)), min(SHORTLIST, len(vectors) // 20)

    def nearest(sentence: NDArray[np.float32], allowed: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        rows, bound = search.nearest(sentence, 2 * count, allowed)
        products = inner_products(vectors, rows, sentence)
        best = np.lexsort((rows, -products))[:count]
        assert products[best[-1]] > bound
        return rows[best]

    return nearest


def _by_faiss(vectors: NDArray[np.float16], device: str) -> dict[str, Search]:
    """The searches of a library's index: all vectors on the CPU, the coarse index of that size, FAISS on the GPU."""
    count = min(SHORTLIST, len(vectors) // 20)

    def indexed(factory: str, device: str, *, exactly: bool) -> Search:
        index, training = new_index(WIDTH, factory, len(vectors))
        if training:
            index.train(vectors[:training].astype(np.float32))
        for start in range(0, len(vectors), BLOCK):
            block = vectors[start : start + BLOCK].astype(np.float32)
            index.add_with_ids(block, np.arange(start, start + len(block)))
        searchable = SearchableIndex(index, device)
        return lambda sentence, allowed: searchable.nearest(sentence, count, allowed, exactly=exactly)[0]

    searches = {f"FAISS{CPU}": indexed(EXACT, "cpu", exactly=True)}
    coarse = coarse_index_for(len(vectors))
    if coarse != EXACT:
        searches[f"FAISS, {COARSE} {coarse}{CPU}"] = indexed(coarse, "cpu", exactly=False)
    if gpu_engine(device) == "FAISS":
        searches["FAISS on the GPU"] = indexed(EXACT, device, exactly=True)
    return searches


def _training(model: PixelBertForPreTraining, device: torch.device, count: int, peak: float) -> None:
    model.train()
    objectives = load_recipe("small").objectives.model_copy(update={"itm_start": 0.0})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    photos = torch.randn(count, 3, SIDE, SIDE, device=device).contiguous(memory_format=torch.channels_last)
    ids = torch.randint(1000, 30000, (count * objectives.itc_captions, WORDS), device=device)
    mask = torch.ones_like(ids, dtype=torch.bool)

    def step() -> Tensor:
        batch = Batch(model.pixelbert.pixel_tokens.cnn(photos), None, ids, mask, mask)
        loss = total_loss(losses(model, batch, objectives, progress=0.8, sampling=0.375, mask_id=103), objectives, 0.8)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    seconds, flops = _measure(device, step, torch.bfloat16, train=True)
    _row(
        f"photos/s trained, batch of {count}, every objective, bf16", f"{count / seconds:,.0f}", flops / seconds / peak
    )


def _measure(
    device: torch.device, work: Callable[[], Tensor], dtype: torch.dtype, *, train: bool = False
) -> tuple[float, float]:
    """Seconds, and floating point operations, of `work` under autocast to `dtype`."""

    def run() -> Tensor:
        with torch.set_grad_enabled(train), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            return work()

    with FlopCounterMode(display=False) as counter:
        run()
    return _seconds(device, run), float(counter.get_total_flops())


def _dtypes(device: torch.device) -> list[torch.dtype]:
    """What to compute in, the fastest last; a CPU is slow in bf16."""
    return [torch.float32, torch.bfloat16] if device.type == "cuda" else [torch.float32]


def _peak(device: torch.device, side: int) -> float:
    """Floating point operations a second of one large product in the fastest type."""
    matrix = torch.randn(side, side, device=device, dtype=_dtypes(device)[-1])
    return 2 * side**3 / _seconds(device, lambda: matrix @ matrix)


def _seconds(device: torch.device, work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median of several, after two to warm up."""
    taken = []
    for number in range(rounds + 2):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number >= 2:
            taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _row(name: str, value: str, share: float | None = None) -> None:
    print(f"| {name.replace('torch.', '')} | {value} | {'' if share is None else f'{share:.0%}'} |", flush=True)


if __name__ == "__main__":
    main()
