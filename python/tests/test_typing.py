"""Stubs say what the module has, and the examples are typed."""
from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import pytest
from conftest import ROOT

import tercel
from tercel import _tercel

PACKAGE = pathlib.Path(tercel.__file__).parent
EXAMPLES = ["classify_folder.py", "compress_and_plot.py", "quantize.py", "pytorch_export.py"]


def stub_names():
    tree = ast.parse((PACKAGE / "_tercel.pyi").read_text())
    names = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names[node.name] = {n.name for n in node.body if isinstance(n, ast.FunctionDef)} | {
                n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
        elif isinstance(node, ast.FunctionDef):
            names[node.name] = set()
    return names


def test_stubs_are_complete():
    stubs = stub_names()
    for name in (n for n in dir(_tercel) if not n.startswith("__")):
        found = getattr(_tercel, name)
        if not name.startswith("_"):
            assert name in stubs, name
        if isinstance(found, type):
            members = {n for n in vars(found) if not n.startswith("_")}
            assert members <= stubs[name], (name, members - stubs[name])
    assert set(stubs) <= set(dir(_tercel))
    assert (PACKAGE / "py.typed").exists()


def test_everything_has_a_docstring():
    for name in tercel.__all__:
        found = getattr(tercel, name)
        assert found.__doc__ and len(found.__doc__) > 15, name
        if isinstance(found, type) and found.__module__ == "tercel":
            for member, value in vars(found).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert value.__doc__, (name, member)


def test_all_is_what_the_package_gives():
    private = {"annotations"}
    public = {n for n in vars(tercel) if not n.startswith("_")} - private
    modules = {n for n in public if type(getattr(tercel, n)).__name__ == "module"}
    assert public - modules == set(tercel.__all__)


def test_mypy_strict(tmp_path):
    pytest.importorskip("mypy")
    files = [ROOT / "python" / "examples" / name for name in EXAMPLES]
    script = tmp_path / "uses.py"
    script.write_text("""
import numpy
import tercel
import tercel.onnxruntime
import tercel.preprocessing
session = tercel.Session(tercel.load("m.onnx"), threads=1)
x = numpy.zeros((1, 3), numpy.float32)
reveal_type(session.run({"x": x}))
reveal_type(session.classify("a.jpg")[0].probability)
reveal_type(tercel.compress(session.model, "pictures", progress=lambda stage, done: None).report.result.ratio)
reveal_type(tercel.compression_front(session.model, [3.0], "pictures")[0].agreement)
session.classify("a.jpg", topp=3)  # wrong
""")
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(script)], capture_output=True, text=True)
    shown = done.stdout
    assert "list[numpy.ndarray[" in shown and shown.count('Revealed type is "builtins.float"') + shown.count('Revealed type is "float"') == 3, shown
    assert "Found 1 error" in shown and "topp" in shown, shown
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--cache-dir", str(tmp_path), *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "-m", "tercel", "-m", "tercel.onnxruntime",
                           "-m", "tercel.preprocessing"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
