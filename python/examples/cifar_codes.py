#!/usr/bin/env python3
"""Trains the last block of a CIFAR-10 ResNet-20 towards code words, so that a memory can take the place of its last layer.

    python/examples/cifar_codes.py resnet20.onnx train.tar.gz test.tar.gz OUT.onnx [--grid 1] [--pictures 10000] [--epochs 4]
                                   [--seed 1] [--threads 1]

resnet20.onnx: ResNet-20 for CIFAR-10 (arXiv 1512.03385, shortcuts that pad: option A), batch normalization folded, as in
TERCEL_DATA/models/resnet20_cifar10. The archives hold pictures of 32x32, one folder per class. All but the last block stays as it is,
so that its outputs are computed once. Of the last block the second ReLU goes; its sums are averaged over GRID x GRID regions,
64 GRID^2 features whose signs are the code. The thresholds go into the convolution's bias: they cost no bytes. Labels count, and
the answers of the network as it was (distillation). Adam, batches of 128. Inputs are what `--preprocess cifar` makes.

Writes OUT.onnx; one line of JSON goes to stdout. A few minutes of one core. Debian: apt install python3-torch python3-onnx python3-pil.
"""
import argparse
import json
import os
import pathlib
import sys
import tarfile
import time
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "python"))
BATCH, SIDE, CLASSES, WIDTHS = 128, 32, 10, (16, 32, 64)
MEAN, STDDEV = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TEACHER_WEIGHT, TEMPERATURE = 0.7, 4.0  # of the answers of the network as it was


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("train", type=pathlib.Path)
    parser.add_argument("test", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--grid", type=int, choices=(1, 2, 4), default=1, help="regions a side: 64, 256 or 1024 bits")
    parser.add_argument("--pictures", type=int, default=10000, help="to train on at most")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.003)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
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

from tercel.torch import CodeWords, distillation_loss, export  # noqa: E402


class Block(nn.Module):
    def __init__(self, channels: int, width: int):
        super().__init__()
        self.stride, self.more = (1, 0) if channels == width else (2, (width - channels) // 2)
        self.conv1 = nn.Conv2d(channels, width, 3, self.stride, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def sums(self, x: Tensor) -> Tensor:
        """What the second ReLU would take."""
        y = self.conv2(F.relu(self.conv1(x)))
        return y + (F.pad(F.max_pool2d(x, 1, 2), (0, 0, 0, 0, self.more, self.more)) if self.more else x)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.sums(x))


class CodeBlock(nn.Module):
    """The last block, up to the scores of the code words."""

    def __init__(self, block: Block, grid: int, seed: int):
        super().__init__()
        self.block, self.pool = block, nn.AvgPool2d(SIDE // 4 // grid)
        self.norm = nn.BatchNorm2d(WIDTHS[-1], affine=False)  # brings the features around 0
        self.words = CodeWords(CLASSES, WIDTHS[-1] * grid**2, seed=seed)

    def forward(self, x: Tensor) -> Tensor:
        return self.words(self.norm(self.pool(self.block.sums(x))).flatten(1))

    def without_norm(self) -> nn.Module:
        """The same signs: a mean of sums less a number is the mean of sums that are less by it, and scales have no sign."""
        self.block.conv2.bias.data -= self.norm.running_mean
        self.norm = nn.Identity()
        return self


def resnet20(path: pathlib.Path) -> tuple:
    """All before the last block, the last block, and the layer behind its mean."""
    tensors = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in onnx.load(str(path)).graph.initializer}
    learned = [[tensors[name] for name in node.input[1:3]] for node in onnx.load(str(path)).graph.node
               if node.op_type in ("Conv", "Gemm")]
    layers = [nn.Conv2d(3, WIDTHS[0], 3, padding=1), nn.ReLU()]
    layers += [Block(WIDTHS[max(stage - (block == 0), 0)], WIDTHS[stage]) for stage in range(3) for block in range(3)]
    net = nn.Sequential(*layers, nn.Linear(WIDTHS[-1], CLASSES))
    places = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    if [tuple(place.weight.shape) for place in places] != [tuple(weight.shape) for weight, *_ in learned]:
        sys.exit(f"{path}: is no ResNet-20 for CIFAR-10 with folded batch normalizations")
    for place, (weight, bias) in zip(places, learned):
        place.weight, place.bias = nn.Parameter(weight), nn.Parameter(bias)
    return net[:-2], net[-2], net[-1]


def load(path: pathlib.Path) -> tuple:
    """Pictures [n, 3, 32, 32], mean and deviation of about 0 and 1, labels [n], and the classes' names."""
    pictures, folders = [], []
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith((".jpg", ".png")):
                folders.append(pathlib.PurePath(member.name).parent.name)
                pictures.append(np.asarray(Image.open(archive.extractfile(member)).convert("RGB")))
    names, labels = np.unique(folders, return_inverse=True)
    if len(names) != CLASSES or {picture.shape for picture in pictures} != {(SIDE, SIDE, 3)}:
        sys.exit(f"{path}: wanted pictures of {SIDE}x{SIDE} in ten folders, found {len(names)} folders")
    levels = (np.stack(pictures).astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STDDEV)
    return torch.from_numpy(levels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels), list(names)


@torch.no_grad()
def through(net: nn.Module, pictures: Tensor) -> Tensor:
    outputs = []
    for done, some in enumerate(pictures.split(500)):
        outputs.append(net(some))
        if sys.stderr.isatty():
            print(f"\r{500 * done} of {len(pictures)} pictures \033[K", end="", file=sys.stderr)
    return torch.cat(outputs)


def train(net: nn.Module, inputs: Tensor, labels: Tensor, answers: Tensor) -> None:
    a = ARGUMENTS
    random = torch.Generator().manual_seed(a.seed)
    per_epoch = len(labels) // BATCH
    optimizer = torch.optim.Adam(net.parameters(), a.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, a.rate, total_steps=a.epochs * per_epoch)
    net.train()
    for epoch in range(a.epochs):
        for done, chosen in enumerate(torch.randperm(len(labels), generator=random)[:per_epoch * BATCH].split(BATCH)):
            optimizer.zero_grad()
            loss = distillation_loss(net(inputs[chosen]), labels[chosen], answers[chosen], TEACHER_WEIGHT, TEMPERATURE)
            loss.backward()
            optimizer.step()
            schedule.step()
            if sys.stderr.isatty() and done % 10 == 0:
                print(f"\repoch {epoch + 1} of {a.epochs}, loss {float(loss):.3f} \033[K", end="", file=sys.stderr)
    net.eval()


def accuracy(scores: Tensor, labels: Tensor) -> float:
    return round(float((scores.argmax(1) == labels).float().mean()), 4)


def main() -> None:
    a = ARGUMENTS
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    start = time.monotonic()
    front, block, linear = resnet20(a.model)
    layers = nn.Sequential(block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    pictures, labels, names = load(a.train)
    chosen = torch.randperm(len(labels))[:a.pictures]
    inputs, labels = through(front, pictures[chosen]), labels[chosen]
    answers = through(layers, inputs)
    test, test_labels, _ = load(a.test)
    test_inputs = through(front, test)
    result = {"layer": accuracy(through(layers, test_inputs), test_labels)}
    net = CodeBlock(block, a.grid, a.seed)
    train(net, inputs, labels, answers)
    result["codes"] = accuracy(through(net, test_inputs), test_labels)
    partial = a.out.with_name(a.out.name + ".partial")
    warnings.filterwarnings("ignore", message="Constant folding|The shape inference")  # of the shortcuts' padding
    export(nn.Sequential(front, net.without_norm()), test[:1], partial)
    model = onnx.load(str(partial))
    onnx.helper.set_model_props(model, {"tercel.preprocess": "cifar", "tercel.labels": "\n".join(names)})
    onnx.save(model, str(partial))
    partial.rename(a.out)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    print(json.dumps({"file": a.out.name, "bits": net.words.bits, "seed": a.seed, "pictures": len(labels), "epochs": a.epochs,
                      **result, "seconds": round(time.monotonic() - start)}))


if __name__ == "__main__":
    main()
