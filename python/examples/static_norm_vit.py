#!/usr/bin/env python3
"""Fixes layer normalisations of a trained Vision Transformer and tunes what is left on pictures without labels.

    python/examples/static_norm_vit.py vit.onnx pictures [--sites 8] [--seed 1] [--threads 1] [--bfloat16] [--out static.onnx]

vit.onnx: a ViT-Ti/16 as timm's weights are exported (initialisers named blocks.0.norm1.weight and so on, matrices in running
order). Half of the pictures, drawn as `tercel optimize --static-norm --pictures 250` draws them, are measured and tuned on; the
rest, of which nothing else is used, judge: agreement with the original network, top-1 where the folder has a labels.tsv, and mean
KL divergence. Labels of pictures tuned on are never read. Prints a table; progress goes to stderr where that is a terminal.

Debian: apt install python3-torch python3-onnx python3-pil libopenblas0. --bfloat16 computes while tuning in bfloat16, which on processors
with instructions for it took a third of the time; judged is always in float32.
"""
import argparse
import contextlib
import copy
import math
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "python"))
SIDE, SHORTER = 224, 248  # the preset `vit` of docs/preprocessing.md
HEADS = 3
HARM_PICTURES, OUTLIERS = 32, 1.0  # as in src/tune/static_norm.cc
BATCH = 10


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("pictures", type=pathlib.Path, help="folder of JPEG files, with a labels.tsv: file, tab, class")
    parser.add_argument("--sites", type=int, default=8, help="how many norms to fix, the least harmful ones")
    parser.add_argument("--norms", help="which ones instead: names with commas between, blocks.3.norm2,norm")
    parser.add_argument("--pairs", type=int, default=250, help="pictures to tune on, and as many to judge on")
    parser.add_argument("--epochs", type=int, default=4, help="of tuning each block; 0: blocks are not tuned")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--views", type=int, default=2, help="each picture as it is and as random parts, for the blocks")
    parser.add_argument("--final-epochs", type=int, default=10, help="of tuning all blocks at once; 0: they are not")
    parser.add_argument("--final-rate", type=float, default=2e-4)
    parser.add_argument("--hidden-weight", type=float, default=1.0, help="of the blocks' outputs beside the scores, at the end")
    parser.add_argument("--tune", default="weights,norms,moments")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--seed", type=int, default=1, help="of the tuning; pictures are always drawn by 1, as Tercel does")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, help="where the network without those norms goes, as ONNX")
    return parser.parse_args()


ARGUMENTS = parse_arguments()
os.environ["OMP_NUM_THREADS"] = str(ARGUMENTS.threads)  # BLAS reads it when it is loaded

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import torch  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from PIL import Image  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tercel.torch import calibrate, convert, export, fold, reconstruct, set_gate  # noqa: E402


class Block(nn.Module):
    """Attention and MLP, each behind its norm and beside its shortcut: x [B, N, D] -> [B, N, D]."""

    def __init__(self, width: int, hidden: int, tokens: int, eps: float):
        super().__init__()
        self.tokens, self.width = tokens, width
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=eps), nn.LayerNorm(width, eps=eps)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        size = self.width // HEADS
        q, k, v = self.qkv(self.norm1(x)).reshape(-1, self.tokens, 3, HEADS, size).permute(2, 0, 3, 1, 4).unbind(0)
        attention = (q * size**-0.5 @ k.transpose(-2, -1)).softmax(-1)
        x = x + self.proj((attention @ v).transpose(1, 2).reshape(-1, self.tokens, self.width))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class VisionTransformer(nn.Module):
    """Scores [B, classes] of pictures [B, 3, 224, 224]. The last norm reads the class token alone."""

    def __init__(self, width: int, patch: int, tokens: int, depth: int, hidden: int, classes: int, eps: float):
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.pos = nn.Parameter(torch.zeros(1, tokens, width))
        self.blocks = nn.Sequential(*(Block(width, hidden, tokens, eps) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=eps)
        self.head = nn.Linear(width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.patch(pictures).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        return self.head(self.norm(self.blocks(x)[:, 0]))


def read_network(path: pathlib.Path) -> VisionTransformer:
    """Vectors go by their names. Matrices, whose names exporters drop, go by the order in which MatMul nodes read them."""
    graph = onnx.load(str(path)).graph
    values = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    matrices = [values[node.input[1]].T for node in graph.node if node.op_type == "MatMul" and node.input[1] in values]
    epsilons = [a.f for node in graph.node if node.op_type == "LayerNormalization" for a in node.attribute if a.name == "epsilon"]
    wanted = ("pos", "patch.weight", "blocks.0.fc1.bias", "head.bias")
    if any(name not in values for name in wanted) or len(matrices) % 4 or not epsilons:
        sys.exit(f"{path}: wanted a ViT with initialisers {', '.join(wanted)}, four matrices a block, LayerNormalization nodes")
    tokens, width = values["pos"].shape[1:]
    depth = len(matrices) // 4
    model = VisionTransformer(width, values["patch.weight"].shape[-1], tokens, depth, len(values["blocks.0.fc1.bias"]),
                              len(values["head.bias"]), epsilons[0])
    names = [f"blocks.{i}.{layer}.weight" for i in range(depth) for layer in ("qkv", "proj", "fc1", "fc2")]
    known = dict(model.named_parameters())
    model.load_state_dict({**{name: value for name, value in values.items() if name in known}, **dict(zip(names, matrices))})
    return model.eval()


def check_golden(model: VisionTransformer, folder: pathlib.Path) -> float:
    """The largest difference from the outputs that came with the model, where some did."""
    worst = 0.0
    for inputs in sorted(folder.glob("test_data_set_*/input_0.pb")):
        x, y = (torch.from_numpy(numpy_helper.to_array(onnx.load_tensor(str(path))).copy())
                for path in (inputs, inputs.with_name("output_0.pb")))
        with torch.no_grad():
            worst = max(worst, float((model(x) - y).abs().max()))
    return worst


def split_pictures(files: list, count: int, seed: int) -> tuple:
    """The halves that split_pictures of src/quant/pictures.cc draws: a shuffle by SplitMix64 (Steele, Lea, Flood 2014)."""
    mask, state = (1 << 64) - 1, seed
    order = list(range(len(files)))
    for i in range(len(order) - 1, 0, -1):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        j = (z ^ (z >> 31)) % (i + 1)
        order[i], order[j] = order[j], order[i]
    count = min(count, len(files) // 2)
    return tuple([files[i] for i in sorted(part)] for part in (order[:count], order[count:2 * count]))


def as_input(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(picture, np.float32).transpose(2, 0, 1) / 127.5 - 1)


def preprocess(picture: Image.Image) -> Tensor:
    """[3, 224, 224]: shorter side to 248, bicubic; the centre; -1..1."""
    shorter = min(picture.size)
    w, h = (SHORTER * side // shorter for side in picture.size)
    left, top = round((w - SIDE) / 2), round((h - SIDE) / 2)
    return as_input(picture.resize((w, h), Image.BICUBIC).crop((left, top, left + SIDE, top + SIDE)))


def random_view(picture: Image.Image, generator: torch.Generator) -> Tensor:
    """[3, 224, 224]: a part of 35 to 100 % of the area, 3:4 to 4:3, every other one mirrored."""
    w, h = picture.size
    area, aspect, right, down, mirror = torch.rand(5, generator=generator).tolist()
    area, aspect = (0.35 + 0.65 * area) * w * h, (4 / 3) ** (2 * aspect - 1)
    wide, high = min(w, math.sqrt(area * aspect)), min(h, math.sqrt(area / aspect))
    left, top = right * (w - wide), down * (h - high)
    view = picture.resize((SIDE, SIDE), Image.BICUBIC, box=(left, top, left + wide, top + high))
    return as_input(view.transpose(Image.FLIP_LEFT_RIGHT) if mirror < 0.5 else view)


@torch.no_grad()
def scores_of(model: nn.Module, pictures: Tensor) -> Tensor:
    return torch.cat([model(part) for part in pictures.split(BATCH)]).float()


def divergence(reference: Tensor, scores: Tensor) -> float:
    """Mean KL(reference || scores) in nats."""
    p, q = reference.double().log_softmax(1), scores.double().log_softmax(1)
    return float((p.exp() * (p - q)).sum(1).mean())


def norms_of(model: nn.Module) -> list:
    return [name for name, module in model.named_modules() if isinstance(module, nn.LayerNorm)]


def least_harmful(network: VisionTransformer, pictures: Tensor) -> list:
    """Names of all norms, ranked by what fixing each alone does to the answers; those with outlier tokens, whose deviations
    spread by more than their mean, come last."""
    model, names = convert(copy.deepcopy(network), "affine"), norms_of(network)
    norms = {name: module for name, module in model.named_modules() if name in names}
    deviations = {name: [] for name in names}

    def see(name: str):
        return lambda norm, inputs: deviations[name].append(inputs[0].std(-1, unbiased=False).flatten())

    handles = [norm.register_forward_pre_hook(see(name)) for name, norm in norms.items()]
    calibrate(model, pictures.split(BATCH))
    for handle in handles:
        handle.remove()
    spreads = {name: float(torch.cat(parts).std() / torch.cat(parts).mean()) for name, parts in deviations.items()}
    few, harms = pictures[:HARM_PICTURES], {}
    reference = scores_of(network, few)
    for name in names:
        set_gate(norms[name], 0)
        harms[name] = divergence(reference, scores_of(model, few))
        set_gate(norms[name], 1)
    return sorted(names, key=lambda name: (spreads[name] >= OUTLIERS, harms[name]))


class Progress:
    """What is being done, and how far that is, on stderr where that is a terminal."""

    def __call__(self, what: str, part: float) -> None:
        if sys.stderr.isatty():
            print(f"\r{what}: {100 * part:.0f} % \033[K", end="" if part < 1 else "\r\033[K", file=sys.stderr, flush=True)


def main() -> None:
    a = ARGUMENTS
    start = time.monotonic()
    torch.set_num_threads(a.threads)
    network = read_network(a.model)
    print(f"off the golden outputs by {check_golden(network, a.model.parent):.1e} at most")
    files = sorted(path for path in a.pictures.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    if len(files) < 4:
        sys.exit(f"{a.pictures}: wanted pictures, four or more")
    tuned_on, judged_on = split_pictures(files, a.pairs, 1)
    opened = [Image.open(path).convert("RGB") for path in tuned_on]
    pictures = torch.stack([preprocess(picture) for picture in opened])
    others = torch.stack([preprocess(Image.open(path).convert("RGB")) for path in judged_on])
    labels = None
    if (a.pictures / "labels.tsv").is_file():
        classes = dict(line.split("\t")[:2] for line in (a.pictures / "labels.tsv").read_text().splitlines() if "\t" in line)
        labels = torch.tensor([int(classes[str(path.relative_to(a.pictures))]) for path in judged_on])
    reference = scores_of(network, others)

    def report(what: str, scores: Tensor) -> None:
        same = 100 * float((scores.argmax(1) == reference.argmax(1)).double().mean())
        right = "-" if labels is None else f"{100 * float((scores.argmax(1) == labels).double().mean()):.1f} %"
        print(f"{what:34s} {same:9.1f} % {right:>8s} {divergence(reference, scores):10.4f} {time.monotonic() - start:8.0f}",
              flush=True)

    def low_precision():
        return torch.autocast("cpu", dtype=torch.bfloat16) if a.bfloat16 else contextlib.nullcontext()

    def views(chosen: Tensor, generator: torch.Generator) -> Tensor:
        return torch.stack([random_view(opened[i], generator) for i in chosen.tolist()])

    with low_precision():
        fixed = a.norms.split(",") if a.norms else least_harmful(network, pictures)[:a.sites]
    fixed = [name for name in norms_of(network) if name in fixed]  # in running order
    print(f"fixed: {' '.join(fixed)}\n{len(tuned_on)} pictures to tune on, {len(judged_on)} others to judge on\n")
    print(f"{'network':34s} {'agreement':>11s} {'top-1':>8s} {'KL (nats)':>10s} {'seconds':>8s}")
    report("as it was", reference)
    model = convert(copy.deepcopy(network), "affine", skip=[name for name in norms_of(network) if name not in fixed])
    blocks = list(dict.fromkeys(name.rsplit(".", 1)[0] for name in fixed))
    options = {"augment": views, "tune": a.tune.split(","), "seed": a.seed, "progress": Progress()}

    def tune(what: str, **more) -> None:
        with low_precision():
            told = reconstruct(model, network, pictures, blocks, **options, **more)
        report(what, scores_of(model.eval(), others))
        for tuned in told if more["epochs"] or more.get("final_epochs") else ():
            print(f"  {tuned.name}: {tuned.before:.4f} -> {tuned.after:.4f} on pictures held out, after epoch {tuned.epochs}")

    tune("norms fixed", epochs=0)
    if a.epochs:
        tune("blocks tuned", epochs=a.epochs, rate=a.rate, views=a.views)
    if a.final_epochs:
        tune("all at once", epochs=0, final_epochs=a.final_epochs, final_rate=a.final_rate, hidden_weight=a.hidden_weight)
    if a.out:
        folded = export(model, pictures[:1], a.out)
        left = [node.op_type for node in onnx.load(str(a.out)).graph.node].count("LayerNormalization")
        print(f"\n{a.out}: {left} LayerNormalization left")
    else:
        folded = fold(model)
    print(f"folded, off by {float((scores_of(folded, others) - scores_of(model, others)).abs().max()):.1e} at most")


if __name__ == "__main__":
    main()
