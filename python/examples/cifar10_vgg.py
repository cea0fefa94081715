#!/usr/bin/env python3
"""Trains VGG-16 on CIFAR-10 and writes it as ONNX: a network with labels and far more weights than it needs, to compress.

    python/examples/cifar10_vgg.py train.tar.gz vgg16_cifar10.onnx [--test test.tar.gz] [--epochs 12] [--threads 2] [--bfloat16]

train.tar.gz, test.tar.gz: pictures of 32x32, one folder per class, whose names in order are classes 0 to 9. The thirteen convolutions of
VGG-16 (arXiv 1409.1556, D), each with batch normalisation, then 512 hidden units and the classes: 15.0 M weights, as networks of
the literature called VGG-16 or Small-VGG16 for CIFAR-10 have. Stochastic gradient descent with momentum 0.9 and weight decay
5e-4, rates up to 0.1 and down to nothing, on pictures moved by up to four pixels and mirrored. Inputs are what `--preprocess cifar`
makes. One line of JSON goes to stdout, progress to stderr where that is a terminal. Eighty minutes of one core with AMX.

Debian: apt install python3-torch python3-onnx python3-pil. --bfloat16 computes in bfloat16 where PyTorch may, twice as fast on
processors with instructions for it.
"""
import argparse
import json
import pathlib
import sys
import tarfile
import time

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)  # 0: halves the sides
BATCH, SIDE, MOVED = 128, 32, 4
MEAN, STDDEV = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def vgg16(classes: int) -> nn.Module:
    """Scores [B, classes] of pictures [B, 3, 32, 32]."""
    layers, channels = [], 3
    for width in WIDTHS:
        if width:
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    hidden = [nn.Linear(channels, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(inplace=True)]
    net = nn.Sequential(*layers, nn.Flatten(), *hidden, nn.Linear(512, classes))
    for module in net:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return net


def load(path: pathlib.Path) -> tuple:
    """Pictures [n, 3, 32, 32], mean and deviation of about 0 and 1, and labels [n]."""
    pictures, folders = [], []
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile():
                folders.append(pathlib.PurePath(member.name).parent.name)
                pictures.append(np.asarray(Image.open(archive.extractfile(member)).convert("RGB")))
    names, labels = np.unique(folders, return_inverse=True)
    if len(names) != 10 or {picture.shape for picture in pictures} != {(SIDE, SIDE, 3)}:
        sys.exit(f"{path}: wanted pictures of {SIDE}x{SIDE} in ten folders, found {len(names)} folders")
    levels = (np.stack(pictures).astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STDDEV)
    return torch.from_numpy(levels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)


def varied(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Each moved by up to MOVED pixels, with grey where nothing was, and mirrored every other time."""
    padded = F.pad(pictures, (MOVED,) * 4)
    corners = torch.randint(2 * MOVED + 1, (len(pictures), 2), generator=random).tolist()
    moved = torch.stack([picture[:, y:y + SIDE, x:x + SIDE] for picture, (y, x) in zip(padded, corners)])
    mirrored = torch.rand(len(pictures), 1, 1, 1, generator=random) < 0.5
    return torch.where(mirrored, moved.flip(3), moved)


def train(net: nn.Module, pictures: Tensor, labels: Tensor, epochs: int, seed: int, bfloat16: bool) -> None:
    random = torch.Generator().manual_seed(seed)
    per_epoch = len(labels) // BATCH
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=epochs * per_epoch, cycle_momentum=False)
    start, done = time.monotonic(), 0
    net.train()
    for epoch in range(epochs):
        order = torch.randperm(len(labels), generator=random)
        for chosen in order[:per_epoch * BATCH].split(BATCH):
            x = varied(pictures[chosen], random).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                scores = net(x)
            loss = F.cross_entropy(scores.float(), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
            if sys.stderr.isatty() and done % 10 == 0:
                left = (time.monotonic() - start) * (epochs * per_epoch / done - 1)
                print(f"\repoch {epoch + 1} of {epochs}, loss {float(loss):.3f}, {left:.0f} s left \033[K", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


@torch.no_grad()
def accuracy(net: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    hits = sum(int((net(x).argmax(1) == y).sum()) for x, y in zip(pictures.split(1000), labels.split(1000)))
    return round(hits / len(labels), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("train", type=pathlib.Path, help="pictures to train on")
    parser.add_argument("out", type=pathlib.Path, help="where the network goes, as ONNX")
    parser.add_argument("--test", type=pathlib.Path, help="pictures to judge on")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bfloat16", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    start = time.monotonic()
    pictures, labels = load(arguments.train)
    net = vgg16(classes=10).to(memory_format=torch.channels_last)
    train(net, pictures, labels, arguments.epochs, arguments.seed, arguments.bfloat16)
    net.eval()
    partial = arguments.out.with_name(arguments.out.name + ".partial")
    torch.onnx.export(net.to(memory_format=torch.contiguous_format), pictures[:1], partial, opset_version=13, input_names=["input"],
                      output_names=["scores"], dynamic_axes={"input": {0: "N"}, "scores": {0: "N"}})
    partial.rename(arguments.out)
    result = {"weights": sum(p.numel() for p in net.parameters()), "epochs": arguments.epochs, "seed": arguments.seed,
              "seconds": round(time.monotonic() - start)}
    if arguments.test:
        result["accuracy"] = accuracy(net, *load(arguments.test))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
