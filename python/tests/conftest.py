"""Tests of the package as it is installed: pip install '.[test]'; pytest python/tests"""
from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

collect_ignore = ["test_torch.py", "test_codes.py"]  # programs of their own, of the training side

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESNET = ROOT / "models" / "resnet20_cifar10.tercel"
PHOTOS = ROOT / "models" / "photos"


@pytest.fixture(scope="session")
def resnet():
    import tercel

    return tercel.Session(tercel.load(RESNET), threads=1)


@pytest.fixture(scope="session")
def picture():
    return np.random.default_rng(1).standard_normal((1, 3, 32, 32), dtype=np.float32)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """40 photographs of a kind: pieces of the shipped ones, in two folders as classes."""
    import tercel
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(2)
    for k, name in enumerate(("cat.jpg", "bird.jpg")):
        pixels = tercel.Image(PHOTOS / name).pixels()
        (folder / name[:-4]).mkdir()
        for i in range(20):
            y, x = (int(rng.integers(0, side - 96)) for side in pixels.shape[:2])
            Image.fromarray(pixels[y:y + 96, x:x + 96]).save(folder / name[:-4] / f"{k}{i}.png")
    return folder


def network(node_type="Relu", dtype="FLOAT", shape=("n", 4), inputs=1, **attributes):
    """One node as a model, from the onnx package."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper

    element = getattr(onnx.TensorProto, dtype)
    names = [f"x{i}" for i in range(inputs)]
    graph = helper.make_graph([helper.make_node(node_type, names, ["y"], name="the_node", **attributes)], "g",
                              [helper.make_tensor_value_info(name, element, shape) for name in names],
                              [helper.make_tensor_value_info("y", element, shape)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def data(*parts):
    """A path in the folder of real networks and pictures; the test is skipped without it."""
    base = os.environ.get("TERCEL_DATA")
    if not base or not pathlib.Path(base, *parts).exists():
        pytest.skip("TERCEL_DATA has no " + "/".join(parts))
    return pathlib.Path(base, *parts)
