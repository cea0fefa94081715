"""The examples, and the code of docs/python.md and README, run."""
from __future__ import annotations

import json
import re
import struct
import subprocess
import sys

import numpy as np
import pytest
from conftest import PHOTOS, RESNET, ROOT

import tercel

EXAMPLES = ROOT / "python" / "examples"


def run(name, *words):
    done = subprocess.run([sys.executable, str(EXAMPLES / name), *map(str, words)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_classify_folder():
    shown = run("classify_folder.py", ROOT / "models" / "squeezenet1_1.tercel", PHOTOS)
    assert shown.count("%") == len(list(PHOTOS.glob("*.jpg"))) and "cat" in shown


def test_compress_and_plot(pictures, tmp_path):
    model = tercel.decompress(RESNET, tmp_path / "m.onnx")
    assert model.labels
    shown = run("compress_and_plot.py", tmp_path / "m.onnx", pictures, "--preprocessing", "cifar", "--ratios", "4,6", "--count", "12",
                "--effort", "2", "--html", tmp_path / "front.html", "-o", tmp_path / "m.tercel")
    assert "agree" in shown and "<svg" in (tmp_path / "front.html").read_text()
    assert tercel.load(tmp_path / "m.tercel").nodes


def test_quantize(pictures, tmp_path):
    tercel.decompress(RESNET, tmp_path / "m.onnx")
    shown = run("quantize.py", tmp_path / "m.onnx", pictures, "--preprocessing", "cifar", "--count", "16", "-o", tmp_path / "m.int8.onnx")
    assert "keep their class" in shown and tercel.load(tmp_path / "m.int8.onnx").nodes


def test_pytorch_export(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    assert "largest difference" in run("pytorch_export.py", tmp_path / "net.onnx")


def test_mnist_codes(tmp_path):
    """Codes learn from the network with layers, which is trained first."""
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    random = np.random.default_rng(1)
    for part, count in (("train", 512), ("t10k", 20)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pictures = random.integers(0, 60, (count, 28, 28), np.uint8)
        for picture, label in zip(pictures, labels):
            picture[2 * label:2 * label + 8, label:label + 8] += 150
        for name, header, values in (("images-idx3", (0x803, count, 28, 28), pictures), ("labels-idx1", (0x801, count), labels)):
            (tmp_path / f"{part}-{name}-ubyte").write_bytes(struct.pack(f">{len(header)}i", *header) + values.tobytes())
    shown = run("mnist_codes.py", tmp_path, tmp_path / "m", "--heads", "codes", "--epochs", "1").splitlines()
    assert [json.loads(line)["head"] for line in shown] == ["fc", "codes"]
    assert run("mnist_codes.py", tmp_path, tmp_path / "m", "--heads", "codes", "--epochs", "1") == ""  # both are there
    assert tercel.load(tmp_path / "m-codes-1.onnx").nodes


def blocks(path):
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("path", ["README.md", "docs/python.md"])
def test_code_of_the_documentation_runs(path, pictures, tmp_path, monkeypatch):
    found = blocks(ROOT / path)
    assert found
    tercel.decompress(ROOT / "models" / "resnet20_cifar10.tercel", tmp_path / "model.onnx")
    (tmp_path / "cat.jpg").write_bytes((PHOTOS / "cat.jpg").read_bytes())
    (tmp_path / "pictures").symlink_to(pictures)
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in found:
        exec(compile(code, path, "exec"), names)
