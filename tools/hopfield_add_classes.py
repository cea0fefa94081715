#!/usr/bin/env python3
"""Adds ten classes to a memory without the old pictures, and tests on old and new.

    tools/hopfield_add_classes.py TERCEL MODEL OLD NEW [--pictures 20] [--patterns 1] [--tested 50] [--seed 1]

MODEL: a network with a memory, or with code words, for the classes of OLD. OLD, NEW: folders of IDX files of ten classes each (MNIST,
Fashion-MNIST). So many pictures of each new class are given to `tercel hopfield add`; tested are so many of each class, old and new, of the
test parts, and a picture is named by one of all twenty classes. Needs Pillow and NumPy.
"""
import argparse
import gzip
import json
import pathlib
import subprocess
import tempfile

import numpy as np
from PIL import Image


def read(folder: pathlib.Path, part: str) -> tuple:
    def raw(name: str, header: int) -> np.ndarray:
        path = folder / f"{part}-{name}"
        return np.frombuffer(path.read_bytes() if path.is_file() else gzip.decompress(path.with_name(path.name + ".gz").read_bytes()),
                             np.uint8, offset=header)
    return raw("images-idx3-ubyte", 16).reshape(-1, 28, 28), raw("labels-idx1-ubyte", 8)


def write(data: tuple, each: int, seed: int, folder: pathlib.Path, prefix: str) -> None:
    """`each` pictures of each class, drawn by the seed, as folder/prefix0/0.png."""
    pictures, labels = data
    random = np.random.default_rng(seed)
    for label in range(10):
        (folder / f"{prefix}{label}").mkdir(parents=True)
        for number, i in enumerate(random.permutation(np.flatnonzero(labels == label))[:each]):
            Image.fromarray(pictures[i]).save(folder / f"{prefix}{label}" / f"{number}.png")


def accuracy(tercel: str, model: pathlib.Path, folder: pathlib.Path, names: dict) -> tuple:
    """Parts of the pictures named right, and named by a class of the other ten."""
    out = json.loads(subprocess.run([tercel, "classify", model, folder, "--top", "1", "--json"], check=True, capture_output=True,
                                    text=True).stdout)
    named = [(pathlib.Path(one["picture"]).parent.name, one["classes"][0]["label"]) for one in out]
    return (sum(names[folder_name] == label for folder_name, label in named) / len(named),
            sum(label not in names.values() for _, label in named) / len(named))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tercel")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--patterns", default="1")
    parser.add_argument("--tested", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        memory, more = folder / "memory.tercel", folder / "more.tercel"
        fitted = subprocess.run([a.tercel, "hopfield", "fit", a.model, "--code-words", "-o", memory], capture_output=True)
        memory = memory if fitted.returncode == 0 else a.model
        write(read(a.old, "t10k"), a.tested, a.seed, folder / "old", "")
        write(read(a.new, "t10k"), a.tested, a.seed, folder / "new", "new ")
        write(read(a.new, "train"), a.pictures, a.seed, folder / "taught", "new ")
        subprocess.run([a.tercel, "hopfield", "add", memory, "--data", folder / "taught", "--patterns", a.patterns, "-o", more],
                       check=True, stdout=subprocess.DEVNULL)
        old_names, new_names = ({f"{p}{c}": f"{p}{c}" for c in range(10)} for p in ("", "new "))
        result = {"pictures_a_class": a.pictures, "patterns_a_class": int(a.patterns), "tested": 20 * a.tested,
                  "old_before": accuracy(a.tercel, memory, folder / "old", old_names)[0]}
        result["old_after"], result["old_named_as_new"] = accuracy(a.tercel, more, folder / "old", old_names)
        result["new_after"], result["new_named_as_old"] = accuracy(a.tercel, more, folder / "new", new_names)
        print(json.dumps(result))


if __name__ == "__main__":
    main()
