#!/usr/bin/env python3
"""Makes models/*.onnx: the networks as they were published, plus what Tercel needs to know in metadata_props.

    python3 tools/make_models.py FOLDER_WITH_THE_SOURCE_NETWORKS

Needs the Python package onnx (Debian: python3-onnx).
"""
import pathlib
import sys

import onnx

SOURCE = pathlib.Path(sys.argv[1])
MODELS = pathlib.Path(__file__).resolve().parent.parent / "models"
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def make(name: str, preset: str, labels: list[str]) -> None:
    model = onnx.load(SOURCE / "models" / name / "model.onnx")
    del model.metadata_props[:]
    for key, value in {"tercel.preprocess": preset, "tercel.labels": "\n".join(labels)}.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    onnx.save(model, MODELS / f"{name}.onnx")


imagenet = (SOURCE / "imagenet_labels.txt").read_text().splitlines()
make("squeezenet1_1", "imagenet", imagenet)
make("resnet20_cifar10", "cifar", CIFAR10)
