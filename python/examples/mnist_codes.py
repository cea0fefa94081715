#!/usr/bin/env python3
"""Trains small networks for MNIST and its kin: fully connected layers, or codes for a memory, behind the same convolutions.

    python/examples/mnist_codes.py FOLDER OUT [--heads fc codes learned] [--seeds 1 2 3 4 5] [--epochs 5] [--from-scratch] [--threads 1]

FOLDER: the four IDX files of MNIST, of Fashion-MNIST (/usr/share/datasets/fashion-mnist of Debian's dataset-fashion-mnist) or of what
`tercel data n-mnist` makes. The network is of LeNet's class: three convolutions, 16 x 5 x 5 with stride 2, 32 x 3 x 3, halved, and
128 x 4 x 4, each with batch normalization, end in 512 features. Heads: `fc` is ReLU and LeNet-5's layers of 120, 84 and 10 units;
`codes` takes the features' signs as 512 bits, and a class by the nearest of ten fixed Hadamard words; `learned` learns the words.
Adam on cross entropy, batches of 256, rates up to 0.006 and down to nothing. Inputs are what `--preprocess mnist` makes: 0 to 1.

Codes learn from the network with layers of the same seed, which is trained first where its file is not there: they begin with its
convolutions, and its answers count beside the labels (distillation). So they take a second training. --from-scratch: from the
labels alone.

Writes OUT-HEAD-SEED.onnx; networks that are there already are left. One line of JSON for each goes to stdout. The same seed gives the same
network on the same machine. Debian: apt install python3-torch python3-onnx.
"""
import argparse
import gzip
import json
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "python"))
BATCH, SIDE, CLASSES, FEATURES = 256, 28, 10, 512
FASHION = "t-shirt/top,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,ankle boot".split(",")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=pathlib.Path, help="folder of IDX files, gzip or not")
    parser.add_argument("out", help="what the files' names begin with")
    parser.add_argument("--heads", nargs="+", choices=("fc", "codes", "learned"), default=["fc", "codes"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=0.006)
    parser.add_argument("--from-scratch", action="store_true", help="codes that learn from the labels alone")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


ARGUMENTS = parse_arguments()
os.environ["OMP_NUM_THREADS"] = str(ARGUMENTS.threads)  # BLAS reads it when it is loaded

import numpy as np  # noqa: E402
import onnx  # noqa: E402
from onnx import numpy_helper  # noqa: E402
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tercel.torch import CodeWords, distillation_loss, export  # noqa: E402

TEACHER_WEIGHT, TEMPERATURE = 0.7, 4.0  # of the answers of the network with layers


def read_idx(folder: pathlib.Path, name: str, header: int) -> np.ndarray:
    path = folder / name
    raw = path.read_bytes() if path.is_file() else gzip.decompress(path.with_name(name + ".gz").read_bytes())
    return np.frombuffer(raw, np.uint8, offset=header)


def load(folder: pathlib.Path, part: str) -> tuple:
    """Pictures [n, 1, 28, 28] of 0 to 1, and labels [n]."""
    pictures = read_idx(folder, f"{part}-images-idx3-ubyte", 16).reshape(-1, 1, SIDE, SIDE)
    labels = read_idx(folder, f"{part}-labels-idx1-ubyte", 8)
    if len(pictures) != len(labels):
        sys.exit(f"{folder}: {len(pictures)} pictures and {len(labels)} labels in the {part} part")
    return torch.from_numpy(pictures.astype(np.float32) / 255), torch.from_numpy(labels.astype(np.int64))


def network(head: str, seed: int) -> nn.Sequential:
    """Scores [B, 10] of pictures [B, 1, 28, 28]."""
    layers = [nn.Conv2d(1, 16, 5, stride=2, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
              nn.Conv2d(16, 32, 3, bias=False), nn.BatchNorm2d(32), nn.MaxPool2d(2), nn.ReLU(),
              nn.Conv2d(32, 128, 4, bias=False), nn.BatchNorm2d(128)]
    if head == "fc":
        layers += [nn.ReLU(), nn.Flatten(), nn.Linear(FEATURES, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, CLASSES)]
    else:
        layers += [nn.Flatten(), CodeWords(CLASSES, FEATURES, "learned" if head == "learned" else "hadamard", seed=seed)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def teacher_of(path: pathlib.Path) -> nn.Sequential:
    """The network with layers that the file holds: batch normalizations are in its convolutions' weights and biases."""
    graph = onnx.load(str(path)).graph
    tensors = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    learned = [[tensors[name] for name in node.input[1:3]] for node in graph.node if node.op_type in ("Conv", "Gemm")]
    layers = [layer for layer in network("fc", 0) if not isinstance(layer, nn.BatchNorm2d)]
    for layer in layers:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            weight, bias = learned.pop(0)
            layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return nn.Sequential(*layers).eval()


@torch.no_grad()
def begin_with(net: nn.Sequential, teacher: nn.Sequential, pictures: Tensor) -> None:
    """The teacher's convolutions. Batch normalizations undo on these pictures what they do; but for the last, whose outputs are to be
    codes, and lie around 0."""
    convolutions = [layer for layer in teacher if isinstance(layer, nn.Conv2d)]
    x = pictures
    for layer in net[:9]:
        if isinstance(layer, nn.Conv2d):
            source = convolutions.pop(0)
            layer.weight.copy_(source.weight)
        elif isinstance(layer, nn.BatchNorm2d) and convolutions:
            layer.weight.copy_((x.var((0, 2, 3)) + layer.eps).sqrt())
            layer.bias.copy_(x.mean((0, 2, 3)) + source.bias)
        x = layer(x)


def train(net: nn.Module, pictures: Tensor, labels: Tensor, epochs: int, rate: float, seed: int, answers: Tensor = None) -> None:
    """answers: the teacher's scores [n, 10], to learn from beside the labels."""
    random = torch.Generator().manual_seed(seed)
    per_epoch = len(labels) // BATCH
    optimizer = torch.optim.Adam(net.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * per_epoch)
    net.train()
    for epoch in range(epochs):
        order = torch.randperm(len(labels), generator=random)
        for done, chosen in enumerate(order[:per_epoch * BATCH].split(BATCH)):
            optimizer.zero_grad()
            scores = net(pictures[chosen].contiguous(memory_format=torch.channels_last))
            if answers is None:
                loss = F.cross_entropy(scores, labels[chosen])
            else:
                loss = distillation_loss(scores, labels[chosen], answers[chosen], TEACHER_WEIGHT, TEMPERATURE)
            loss.backward()
            optimizer.step()
            schedule.step()
            if sys.stderr.isatty() and done % 10 == 0:
                print(f"\repoch {epoch + 1} of {epochs}, {100 * done // per_epoch} %, loss {float(loss):.3f} \033[K", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


@torch.no_grad()
def accuracy(net: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    hits = sum(int((net(x).argmax(1) == y).sum()) for x, y in zip(pictures.split(1000), labels.split(1000)))
    return round(hits / len(labels), 4)


def make(head: str, seed: int, pictures: Tensor, labels: Tensor) -> None:
    a = ARGUMENTS
    path = pathlib.Path(f"{a.out}-{head}-{seed}.onnx")
    if path.exists():
        return
    start, answers = time.monotonic(), None
    if head != "fc" and not a.from_scratch:
        make("fc", seed, pictures, labels)
        start = time.monotonic()
    torch.manual_seed(seed)
    net = network(head, seed)
    if head != "fc" and not a.from_scratch:
        teacher = teacher_of(pathlib.Path(f"{a.out}-fc-{seed}.onnx"))
        begin_with(net.train(), teacher, pictures[:2048])
        with torch.no_grad():
            answers = torch.cat([teacher(some) for some in pictures.split(1000)])
    train(net, pictures, labels, a.epochs, a.rate, seed, answers)
    net.eval()
    partial = path.with_name(path.name + ".partial")
    export(net.to(memory_format=torch.contiguous_format), pictures[:1], partial)
    model = onnx.load(str(partial))
    names = FASHION if "fashion" in a.data.name else [str(digit) for digit in range(CLASSES)]
    onnx.helper.set_model_props(model, {"tercel.preprocess": "mnist", "tercel.labels": "\n".join(names)})
    onnx.save(model, str(partial))
    partial.rename(path)
    print(json.dumps({"file": path.name, "head": head, "seed": seed, "epochs": a.epochs, "from_scratch": answers is None,
                      "accuracy": accuracy(net, *load(a.data, "t10k")), "seconds": round(time.monotonic() - start)}), flush=True)


def main() -> None:
    torch.set_num_threads(ARGUMENTS.threads)
    pictures, labels = load(ARGUMENTS.data, "train")
    for seed in ARGUMENTS.seeds:
        for head in ARGUMENTS.heads:
            make(head, seed, pictures, labels)


if __name__ == "__main__":
    main()
