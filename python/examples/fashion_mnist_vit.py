#!/usr/bin/env python3
"""Trains a small Vision Transformer on Fashion-MNIST, takes its LayerNorms away, and runs what is left in Tercel.

    python/examples/fashion_mnist_vit.py [--seed 1] [--threads 1] [--moments position] [--tercel build/release/tercel]

Networks of one shape: one trained with LayerNorm; the same trained on for a few epochs, as the control; the same fine-tuned while
a gate leads to moving moments; one trained from scratch with the gate. The last two kinds are folded, written as ONNX, and
classify the test pictures in Tercel. One line of JSON goes to stdout, progress to stderr where that is a terminal. Eight minutes
of one core.

Debian: apt install python3-torch python3-onnx libopenblas0 dataset-fashion-mnist. Without libopenblas0 (or another fast BLAS)
PyTorch multiplies matrices seven times slower.
"""
import argparse
import copy
import gzip
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "python"))
PATCH, TOKENS, WIDTH, HEADS, CLASSES = 7, 17, 64, 2, 10
BATCH, TEST_BATCH = 128, 1000


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, default="/usr/share/datasets/fashion-mnist", help="folder of the IDX files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=4, help="of training from scratch")
    parser.add_argument("--tune-epochs", type=int, default=2, help="of fine-tuning")
    parser.add_argument("--pictures", type=int, default=60000, help="of the training set, to look at the whole way quickly")
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--moments", default="position", help="for fine-tuning: some of scalar,position,channel,affine")
    parser.add_argument("--scratch-moments", default="channel", help="for training from scratch: the same, or nothing")
    parser.add_argument("--first-exact", default="0,2", help="how many of the first norms fine-tuning leaves exact; tries each")
    parser.add_argument("--class-token", action="store_true", help="moments of their own for the class token")
    parser.add_argument("--tercel", type=pathlib.Path, default=ROOT / "build/release/tercel", help="the program")
    parser.add_argument("--out", type=pathlib.Path, help="folder for the ONNX files; forgotten where not given")
    return parser.parse_args()


ARGUMENTS = parse_arguments()
os.environ["OMP_NUM_THREADS"] = str(ARGUMENTS.threads)  # BLAS reads it when it is loaded

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tercel.torch import GateSchedule, calibrate, convert, distillation_loss, export  # noqa: E402


class Block(nn.Module):
    """Attention and MLP, each behind its norm and beside its shortcut: x [B, N, D] -> [B, N, D]."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6), nn.LayerNorm(WIDTH, eps=1e-6)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).reshape(-1, TOKENS, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        attention = (q @ k.transpose(-2, -1) * (WIDTH // HEADS) ** -0.5).softmax(-1)
        x = x + self.proj((attention @ v).transpose(1, 2).reshape(-1, TOKENS, WIDTH))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class VisionTransformer(nn.Module):
    """Scores [B, 10] of pictures [B, 1, 28, 28]."""

    def __init__(self, depth: int):
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, PATCH, PATCH)
        self.class_token = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.position = nn.Parameter(torch.randn(1, TOKENS, WIDTH) * 0.02)
        self.blocks = nn.Sequential(*(Block() for _ in range(depth)))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.patches(pictures).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class Progress:
    """epochs done and time left on stderr, where that is a terminal."""

    def __init__(self, steps: int):
        self.steps, self.done, self.start = steps, 0, time.monotonic()

    def step(self, what: str) -> None:
        self.done += 1
        if sys.stderr.isatty() and self.done % 10 == 0:
            left = (time.monotonic() - self.start) * (self.steps / self.done - 1)
            print(f"\r{what}: {100 * self.done // self.steps} %, {left:.0f} s left \033[K", end="", file=sys.stderr, flush=True)


def read_idx(path: pathlib.Path, header: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def load(folder: pathlib.Path, part: str) -> tuple:
    """Pictures [n, 1, 28, 28], mean and deviation of about 0 and 1 (those of the training set), and labels [n]."""
    pictures = read_idx(folder / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz", 8)
    return torch.from_numpy((pictures.astype(np.float32) / 255 - 0.286) / 0.353), torch.from_numpy(labels.astype(np.int64))


def shuffled(count: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def train(model: nn.Module, data: tuple, epochs: int, rate: float, seed: int, progress: Progress, what: str,
          schedule: GateSchedule = None, teacher_scores: Tensor = None) -> nn.Module:
    """AdamW; a tenth of the steps up to `rate`, then a cosine down to a hundredth of it. A teacher's scores, given for all
    pictures, make half of the loss."""
    pictures, labels = data
    steps = epochs * (len(labels) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.05)
    warmup = max(1, steps // 10)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(
        (step + 1) / warmup, 0.505 + 0.495 * np.cos(np.pi * max(0, step - warmup) / (steps - warmup))))
    model.train()
    for epoch in range(epochs):
        for chosen in shuffled(len(labels), 1000 * seed + epoch).split(BATCH):
            if len(chosen) < BATCH:
                continue
            x, y = pictures[chosen], labels[chosen]
            scores = model(x)
            loss = F.cross_entropy(scores, y) if teacher_scores is None else distillation_loss(scores, y, teacher_scores[chosen])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            if schedule is not None:
                schedule.step()
            progress.step(what)
    return model.eval()


@torch.no_grad()
def scores_of(model: nn.Module, pictures: Tensor) -> Tensor:
    return torch.cat([model.eval()(part) for part in pictures.split(TEST_BATCH)])


def run_tercel(program: pathlib.Path, network: pathlib.Path, pictures: Tensor, folder: pathlib.Path) -> Tensor:
    scores = []
    for part in pictures.split(TEST_BATCH):
        np.save(folder / "pictures.npy", part.numpy())
        subprocess.run([program, "run", network, "--input", folder / "pictures.npy", "--output", folder / "scores.npy",
                        "--threads", str(ARGUMENTS.threads)], check=True, stdout=subprocess.DEVNULL)
        scores.append(torch.from_numpy(np.load(folder / "scores.npy")))
    return torch.cat(scores)


def main() -> None:
    a = ARGUMENTS
    if not a.tercel.is_file():
        sys.exit(f"{a.tercel}: no such program; build it (./dev build tercel_cli) or name it with --tercel")
    if not a.data.is_dir():
        sys.exit(f"{a.data}: no such folder; install dataset-fashion-mnist or name it with --data")
    start = time.monotonic()
    torch.set_num_threads(a.threads)
    data, (test_pictures, test_labels) = load(a.data, "train"), load(a.data, "t10k")
    data = tuple(values[:a.pictures] for values in data)
    tuned, from_scratch, first_exact = ([word for word in words.split(",") if word] for words in
                                        (a.moments, a.scratch_moments, a.first_exact))
    per_epoch = len(data[1]) // BATCH
    progress = Progress(per_epoch * (a.epochs * (1 + len(from_scratch)) + a.tune_epochs * (1 + len(tuned) * len(first_exact))))

    def moving(model: nn.Module, kind: str, epochs: int, exact: int = 0) -> GateSchedule:
        """The first `exact` norms stay, and the last one, which fixes the scale of the scores and costs one row."""
        first = [name for name, module in model.named_modules() if isinstance(module, nn.LayerNorm)][:exact]
        convert(model, kind, skip=[*first, "norm"], example=data[0][:1], class_token=a.class_token and kind != "position")
        return GateSchedule(model, steps=max(1, int(0.6 * epochs * per_epoch)))

    def calibration_batches():
        return data[0][shuffled(len(data[1]), 999 + a.seed)[:50 * BATCH]].split(BATCH)

    def percent(same: Tensor) -> float:
        return round(100 * float(same.float().mean()), 2)

    def judge(scores: Tensor) -> dict:
        return {"accuracy": percent(scores.argmax(1) == test_labels),
                "loss": round(float(F.cross_entropy(scores, test_labels)), 4),
                "agreement": percent(scores.argmax(1) == reference.argmax(1))}

    def finish(model: nn.Module, name: str) -> dict:
        """What the trained model scores, and whether its folded ONNX says the same in Tercel."""
        calibrate(model, calibration_batches())
        scores = scores_of(model, test_pictures)
        export(model, test_pictures[:1], folder / f"{name}.onnx")
        in_tercel = run_tercel(a.tercel, folder / f"{name}.onnx", test_pictures, scratch)
        return {**judge(scores), "tercel_same_class": int((in_tercel.argmax(1) == scores.argmax(1)).sum()),
                "tercel_largest_difference": float((in_tercel - scores).abs().max())}

    result = {"seed": a.seed, "epochs": a.epochs, "tune_epochs": a.tune_epochs, "depth": a.depth,
              "class_token": a.class_token, "test_pictures": len(test_labels)}
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = pathlib.Path(scratch_name)
        folder = a.out or scratch
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(a.seed)
        baseline = train(VisionTransformer(a.depth), data, a.epochs, 2e-3, a.seed, progress, "LayerNorm")
        reference = scores_of(baseline, test_pictures)
        result["layer_norm"] = judge(reference)
        teacher_scores = scores_of(baseline, data[0])

        def tune(model: nn.Module, what: str, schedule: GateSchedule = None) -> nn.Module:
            return train(model, data, a.tune_epochs, 5e-4, a.seed + 1, progress, what, schedule, teacher_scores)

        result["layer_norm_tuned"] = judge(scores_of(tune(copy.deepcopy(baseline), "LayerNorm, tuned"), test_pictures))
        for kind, exact in itertools.product(tuned, map(int, first_exact)):
            name = f"{kind}_tuned" + (f"_first_{exact}_exact" if exact else "")
            model = copy.deepcopy(baseline)
            schedule = moving(model, kind, a.tune_epochs, exact)
            calibrate(model, calibration_batches())
            result[name] = finish(tune(model, name, schedule), name)
        for kind in from_scratch:
            torch.manual_seed(a.seed)
            model = VisionTransformer(a.depth)
            schedule = moving(model, kind, a.epochs)
            name = f"{kind}_from_scratch"
            result[name] = finish(train(model, data, a.epochs, 2e-3, a.seed, progress, name, schedule), name)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    result.update(seconds=round(time.monotonic() - start), cpu_seconds=round(time.process_time()))
    print(json.dumps(result))
    runs = [found for found in result.values() if isinstance(found, dict) and "tercel_same_class" in found]
    if any(found["tercel_same_class"] < 0.999 * len(test_labels) for found in runs):
        sys.exit("Tercel's classes differ from PyTorch's")


if __name__ == "__main__":
    main()
