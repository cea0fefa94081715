#!/usr/bin/env python3
"""Makes models/*.tercel: published networks, plus what Tercel needs to know in metadata_props, compressed.

    python3 tools/make_models.py FOLDER TERCEL CIFAR10

FOLDER holds models/NAME/model.onnx, imagenet_labels.txt and imagenet500 (pictures to calibrate on), CIFAR10 one folder
of pictures per class; TERCEL is the program. Needs the Python package onnx (Debian: python3-onnx).
"""
import pathlib
import subprocess
import sys
import tempfile

import onnx

SOURCE, TERCEL, CIFAR10_PICTURES = (pathlib.Path(argument) for argument in sys.argv[1:4])
MODELS = pathlib.Path(__file__).resolve().parent.parent / "models"
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def make(name: str, preset: str, labels: list[str], pictures: pathlib.Path, *options: str) -> None:
    model = onnx.load(SOURCE / "models" / name / "model.onnx")
    del model.metadata_props[:]
    for key, value in {"tercel.preprocess": preset, "tercel.labels": "\n".join(labels)}.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    with tempfile.TemporaryDirectory() as folder:
        plain = pathlib.Path(folder) / f"{name}.onnx"
        onnx.save(model, plain)
        subprocess.run([TERCEL, "compress", plain, "--calibrate", pictures, "--threads", "1", *options,
                        "-o", MODELS / f"{name}.tercel"], check=True)


imagenet = (SOURCE / "imagenet_labels.txt").read_text().splitlines()
make("squeezenet1_1", "imagenet", imagenet, SOURCE / "imagenet500", "--target-ratio", "6")
make("resnet20_cifar10", "cifar", CIFAR10, CIFAR10_PICTURES, "--target-ratio", "6")
make("vit_tiny_patch16_224", "vit", imagenet, SOURCE / "imagenet500", "--target-ratio", "6.6")
make("mobilenet_v2", "inception", imagenet, SOURCE / "imagenet500", "--target-ratio", "6")
