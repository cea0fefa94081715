#!/usr/bin/env python3
"""Does Tercel say what ONNX Runtime says, picture by picture?

    TERCEL_DATA=... tools/imagenet_agreement.py [NET ...] [--tercel build/release/tercel]

For every network: 500 pictures are prepared here with Pillow, the very same tensors go through ONNX Runtime and through
`tercel run`, and their top-1 classes are compared. Then `tercel classify` goes from the files to classes on its own, decoder
and resizing included, and is compared with the same answers of ONNX Runtime.

Reads $TERCEL_DATA/{models,imagenet500,cifar10}; needs numpy, Pillow and onnxruntime. Top-1 is there to show that the
preprocessing is right: the pictures may be ones the networks were trained on, so it says nothing of their accuracy.
Exits with 1 where a tensor's scores differ by more than 1e-4 of the largest, or where fewer than 98 % of the classes agree end
to end.
"""
import argparse
import csv
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import numpy as np
import onnxruntime
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURES = 500
BATCH = 50
TOLERANCE = 1e-4
LEAST_AGREEMENT = 0.98

IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))
HALF = (np.array([0.5, 0.5, 0.5]), np.array([0.5, 0.5, 0.5]))


@dataclasses.dataclass
class Recipe:
    """How a network wants its pictures, in Pillow's words and as Tercel's preset."""

    preset: str
    statistics: tuple
    shorter: int = 0  # 0: the picture has the network's size already
    interpolation: Image.Resampling = Image.Resampling.BILINEAR
    side: int = 224

    def prepare(self, path: pathlib.Path) -> np.ndarray:
        picture = Image.open(path).convert("RGB")
        if self.shorter:
            width, height = picture.size
            short = min(width, height)
            size = (self.shorter * width // short, self.shorter * height // short)
            picture = picture.resize(size, self.interpolation)
            left, top = (round((extent - self.side) / 2) for extent in size)
            picture = picture.crop((left, top, left + self.side, top + self.side))
        mean, deviation = self.statistics
        pixels = (np.asarray(picture, np.float64) / 255 - mean) / deviation
        return pixels.transpose(2, 0, 1).astype(np.float32)


VIT = Recipe("vit", HALF, 248, Image.Resampling.BICUBIC)
CIFAR = Recipe("cifar", IMAGENET, side=32)
NETS = {
    "vit_tiny_patch16_224": VIT,
    "vit_tiny_patch16_224_opset13": VIT,
    "mobilenet_v2": Recipe("inception", HALF, 256),
    "squeezenet1_1": Recipe("imagenet", IMAGENET, 256),
    "resnet20_cifar10": CIFAR,
    "resnet56_cifar10": CIFAR,
}


def imagenet_pictures(data: pathlib.Path) -> list:
    """(file, class) of every picture."""
    with open(data / "imagenet500/labels.tsv", newline="") as rows:
        return [(data / "imagenet500" / row[0], int(row[1])) for row in csv.reader(rows, delimiter="\t")][:PICTURES]


def cifar_pictures(data: pathlib.Path, folder: pathlib.Path) -> list:
    """The first pictures of each class, unpacked into the folder."""
    pictures, taken = [], {}
    with tarfile.open(data / "cifar10/test.tar.gz") as tar:
        members = sorted((m for m in tar.getmembers() if m.isfile()), key=lambda m: m.name)
        names = sorted({pathlib.PurePath(m.name).parent.name for m in members})
        for member in members:
            name = pathlib.PurePath(member.name).parent.name
            taken[name] = taken.get(name, 0) + 1
            if taken[name] > PICTURES // len(names):
                continue
            path = folder / f"{name}_{taken[name]:03}.jpg"
            path.write_bytes(tar.extractfile(member).read())
            pictures.append((path, names.index(name)))
    return pictures


def scores_of_tercel(tercel: str, model: pathlib.Path, tensors: np.ndarray, folder: pathlib.Path) -> np.ndarray:
    np.save(folder / "in.npy", tensors)
    command = [tercel, "run", str(model), "--input", str(folder / "in.npy"), "--output", str(folder / "out.npy")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return np.load(folder / "out.npy")


def classes_of_tercel(tercel: str, model: pathlib.Path, preset: str, paths: list) -> np.ndarray:
    command = [tercel, "classify", str(model), *map(str, paths), "--preprocess", preset, "--top", "1", "--json"]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return np.array([picture["classes"][0]["class"] for picture in json.loads(answer)])


def check(name: str, tercel: str, data: pathlib.Path, pictures: list, folder: pathlib.Path) -> bool:
    recipe, model = NETS[name], data / "models" / name / "model.onnx"
    paths, truth = [path for path, _ in pictures], np.array([label for _, label in pictures])
    tensors = np.stack([recipe.prepare(path) for path in paths])
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    port = session.get_inputs()[0]
    batch = port.shape[0] if isinstance(port.shape[0], int) else BATCH
    parts = [tensors[i : i + batch] for i in range(0, len(tensors), batch)]
    theirs = np.concatenate([session.run(None, {port.name: part})[0] for part in parts])
    ours = np.concatenate([scores_of_tercel(tercel, model, part, folder) for part in parts])
    largest_difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    their_class, our_class = theirs.argmax(1), ours.argmax(1)
    from_files = classes_of_tercel(tercel, model, recipe.preset, paths)
    print(
        f"{name:<29} {len(paths):>5}  {np.mean(our_class == their_class):>7.1%}  {largest_difference:>9.1e}"
        f"  {np.mean(their_class == truth):>8.1%}  {np.mean(our_class == truth):>8.1%}"
        f"  {np.mean(from_files == their_class):>9.1%}  {np.mean(from_files == truth):>8.1%}",
        flush=True,
    )
    return largest_difference <= TOLERANCE and np.mean(from_files == their_class) >= LEAST_AGREEMENT


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("nets", nargs="*", metavar="NET", help="of " + ", ".join(NETS) + "; default: all")
    arguments.add_argument("--tercel", default=str(ROOT / "build/release/tercel"), help="the program to check")
    flags = arguments.parse_args()
    unknown = [net for net in flags.nets if net not in NETS]
    if unknown:
        arguments.error(f"unknown: {', '.join(unknown)}")
    if "TERCEL_DATA" not in os.environ:
        arguments.error("TERCEL_DATA is not set: the networks and pictures are not here")
    data = pathlib.Path(os.environ["TERCEL_DATA"])
    print("                                        same tensors                                 from the files")
    print("network                     pictures  same top-1  difference  theirs    ours     same top-1   top-1")
    fine = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name in flags.nets or NETS:
            pictures = cifar_pictures(data, folder) if NETS[name] is CIFAR else imagenet_pictures(data)
            fine &= bool(check(name, flags.tercel, data, pictures, folder))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
