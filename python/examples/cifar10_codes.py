#!/usr/bin/env python3
"""Fine-tunes the last block of the CIFAR-10 ResNet-20 towards code words, and beside it towards the classifier it had.

    build/release/tercel decompress models/resnet20_cifar10.tercel -o resnet20.onnx
    python/examples/cifar10_codes.py resnet20.onnx train.tar.gz test.tar.gz OUT [--pictures 10000] [--epochs 4] [--seed 1]
        [--tercel build/release/tercel]

train.tar.gz, test.tar.gz: pictures of 32x32, one folder per class, whose names in order are classes 0 to 9. All but the last block stay as
they are and are run once, by Tercel. `fc` trains the block and the linear layer behind its mean over all positions; `codes` the block,
whose means over four quarters, 256 features, are the code: their signs need no normalization, for the block's own bias moves them.
Writes OUT-fc-SEED.onnx and OUT-codes-SEED.onnx, and one line of JSON for each to stdout. Debian: apt install python3-torch
python3-onnx python3-pil.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "python"))
BATCH = 128
MEAN, STDDEV = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("train", type=pathlib.Path)
    parser.add_argument("test", type=pathlib.Path)
    parser.add_argument("out")
    parser.add_argument("--pictures", type=int, default=10000, help="of each set at most")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tercel", type=pathlib.Path, default=ROOT / "build/release/tercel")
    return parser.parse_args()


ARGUMENTS = parse_arguments()
os.environ["OMP_NUM_THREADS"] = str(ARGUMENTS.threads)  # BLAS reads it when it is loaded

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnx.compose  # noqa: E402
import onnx.numpy_helper  # noqa: E402
import onnx.utils  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tercel.torch import CodeWords, export  # noqa: E402


def load(path: pathlib.Path, most: int, seed: int) -> tuple:
    """At most so many pictures, drawn by the seed: [n, 3, 32, 32] as `--preprocess cifar` makes them, and labels [n]."""
    with tarfile.open(path) as archive:
        members = [member for member in archive if member.isfile()]
        names = [pathlib.PurePath(member.name).parent.name for member in members]
        folders = sorted(set(names))
        if len(folders) != 10:
            sys.exit(f"{path}: wanted pictures in ten folders, found {len(folders)}")
        # In the archive's order: going back in it means to decompress it anew.
        chosen = np.sort(np.random.default_rng(seed).permutation(len(members))[:most])
        pictures = np.stack([np.asarray(Image.open(archive.extractfile(members[i])).convert("RGB")) for i in chosen])
    labels = np.array([folders.index(names[i]) for i in chosen])
    levels = (pictures.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STDDEV)
    return np.ascontiguousarray(levels.transpose(0, 3, 1, 2)), torch.from_numpy(labels)


def run(tercel: pathlib.Path, model: pathlib.Path, pictures: np.ndarray, folder: pathlib.Path) -> Tensor:
    parts = []
    for start in range(0, len(pictures), 500):
        np.save(folder / "x.npy", pictures[start:start + 500])
        subprocess.run([tercel, "run", model, "-i", folder / "x.npy", "-o", folder / "y.npy", "--threads", str(ARGUMENTS.threads)],
                       check=True, stdout=subprocess.DEVNULL)
        parts.append(torch.from_numpy(np.load(folder / "y.npy")))
    return torch.cat(parts)


class Block(nn.Module):
    """The last block and a head: [B, 64, 8, 8] -> scores [B, 10]."""

    def __init__(self, weights: list, linear: list, head: str, seed: int):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(64, 64, 3, padding=1) for _ in range(2))
        for conv, (weight, bias) in zip(self.convs, weights):
            conv.weight.data, conv.bias.data = weight.clone(), bias.clone()
        self.head = nn.Linear(64, 10) if head == "fc" else CodeWords(10, 256, seed=seed)
        if head == "fc":
            self.head.weight.data, self.head.bias.data = linear[0].clone(), linear[1].clone()
        self.deviation = 1.0

    def features(self, x: Tensor) -> Tensor:
        y = self.convs[1](F.relu(self.convs[0](x))) + x
        if isinstance(self.head, nn.Linear):
            return F.adaptive_avg_pool2d(F.relu(y), 1).flatten(1)
        return F.avg_pool2d(y, 4).flatten(1)

    @torch.no_grad()
    def centre(self, x: Tensor) -> None:
        """Moves the features of a code to means of 0, and keeps their deviation: signs let gradients through near 0 only."""
        if isinstance(self.head, CodeWords):
            y = self.features(x).reshape(len(x), 64, 4)
            self.convs[1].bias -= y.mean((0, 2))
            self.deviation = float((y - y.mean((0, 2), keepdim=True)).std())

    def forward(self, x: Tensor) -> Tensor:
        z = self.features(x)
        # A factor above 0 changes no sign: it is there while gradients are wanted, and in no file.
        return self.head(z / self.deviation if self.training and isinstance(self.head, CodeWords) else z)


def train(block: nn.Module, x: Tensor, labels: Tensor, epochs: int, rate: float, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    per_epoch = len(labels) // BATCH
    optimizer = torch.optim.AdamW(block.parameters(), rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * per_epoch)
    block.train()
    for epoch in range(epochs):
        for done, chosen in enumerate(torch.randperm(len(labels), generator=random)[:per_epoch * BATCH].split(BATCH)):
            mirrored = torch.rand(len(chosen), 1, 1, 1, generator=random) < 0.5
            part = torch.where(mirrored, x[chosen].flip(3), x[chosen])
            optimizer.zero_grad()
            loss = F.cross_entropy(block(part), labels[chosen])
            loss.backward()
            optimizer.step()
            schedule.step()
            if sys.stderr.isatty():
                print(f"\repoch {epoch + 1} of {epochs}, {100 * done // per_epoch} %, loss {float(loss):.3f} \033[K", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


@torch.no_grad()
def accuracy(block: nn.Module, x: Tensor, labels: Tensor) -> float:
    hits = sum(int((block(part).argmax(1) == y).sum()) for part, y in zip(x.split(500), labels.split(500)))
    return round(hits / len(labels), 4)


def main() -> None:
    a = ARGUMENTS
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    model = onnx.load(str(a.model))
    values = {tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy()) for tensor in model.graph.initializer}
    convs = [node for node in model.graph.node if node.op_type == "Conv"][-2:]
    linear = model.graph.node[-1]
    if len(convs) != 2 or linear.op_type != "Gemm" or any(values[c.input[1]].shape != (64, 64, 3, 3) for c in convs):
        sys.exit(f"{a.model}: wanted ResNet-20 for CIFAR-10, whose last block has two convolutions of 64 x 64 x 3 x 3")
    start = convs[0].input[0]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        front = folder / "front.onnx"
        onnx.save(onnx.utils.Extractor(model).extract_model([model.graph.input[0].name], [start]), str(front))
        sets = []
        for path in (a.train, a.test):
            pictures, labels = load(path, a.pictures, 1)
            sets.append((run(a.tercel, front, pictures, folder), labels))
        (x, labels), (test_x, test_labels) = sets
        for head in ("fc", "codes"):
            block = Block([(values[c.input[1]], values[c.input[2]]) for c in convs], [values[n] for n in linear.input[1:3]], head, a.seed)
            before = accuracy(block.eval(), test_x, test_labels)
            block.centre(x[:2000])
            train(block, x, labels, a.epochs, a.rate, a.seed)
            block.eval()
            export(block, x[:1], folder / "back.onnx", input_name="features")
            first, second = onnx.load(str(front)), onnx.load(str(folder / "back.onnx"))
            # What is left of the front (Conv, Relu, Add, Slice, Pad) is the same in the opset that the back was written in.
            first.ir_version, first.opset_import[0].version = second.ir_version, second.opset_import[0].version
            whole = onnx.compose.merge_models(onnx.compose.add_prefix(first, "front/"), onnx.compose.add_prefix(second, "back/"),
                                              [("front/" + start, "back/features")])
            onnx.helper.set_model_props(whole, {prop.key: prop.value for prop in model.metadata_props})
            path = pathlib.Path(f"{a.out}-{head}-{a.seed}.onnx")
            onnx.save(whole, str(path))
            print(json.dumps({"file": path.name, "head": head, "seed": a.seed, "epochs": a.epochs, "pictures": len(labels),
                              "accuracy_before": before if head == "fc" else None, "accuracy": accuracy(block, test_x, test_labels)}), flush=True)


if __name__ == "__main__":
    main()
