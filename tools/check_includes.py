#!/usr/bin/env python3
"""The include law: a layer of src/ uses only layers that stand before it, and apps see include/tercel only."""
import pathlib
import re
import sys

LAYERS = ["base", "tensor", "graph", "onnx", "image", "codec", "pack", "passes", "kernels", "plan", "engines",
          "session", "quant", "search", "tune"]
# These never see each other although the order would let the later one see the earlier.
APART = [{"graph", "kernels"}, {"image", "graph"}, {"image", "kernels"}, {"image", "passes"}, {"onnx", "kernels"},
         {"passes", "kernels"}, {"passes", "onnx"}, {"onnx", "image"}]
# The coder knows numbers only.
APART += [{"codec", other} for other in LAYERS[LAYERS.index("graph"):LAYERS.index("codec")]]
# Evolution knows no network.
APART += [{"search", other} for other in LAYERS[1:LAYERS.index("search")]]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)

root = pathlib.Path(__file__).resolve().parent.parent
problems = []


def layer_of(path: str) -> str:
    return path.split("/")[0]


for file in sorted((root / "src").rglob("*")):
    if file.suffix not in (".h", ".cc"):
        continue
    name = file.relative_to(root / "src").as_posix()
    mine = layer_of(name)
    for include in INCLUDE.findall(file.read_text()):
        theirs = layer_of(include)
        if theirs == "tercel":
            continue  # public headers
        if theirs not in LAYERS:
            problems.append(f"{name}: '{include}' is not written from src/")
        elif LAYERS.index(theirs) > LAYERS.index(mine):
            problems.append(f"{name}: {mine} must not use {theirs} ({include})")
        elif theirs != mine and {mine, theirs} in APART:
            problems.append(f"{name}: {mine} and {theirs} never see each other ({include})")

for folder in ("apps", "examples", "include"):
    for file in sorted((root / folder).rglob("*")):
        if file.suffix not in (".h", ".cc"):
            continue
        for include in INCLUDE.findall(file.read_text()):
            local = (file.parent / include).exists()
            if not include.startswith("tercel/") and not local:
                problems.append(f"{file.relative_to(root)}: sees '{include}', but only include/tercel is public")

for problem in problems:
    print(problem)
print(f"include law: {len(problems)} broken")
sys.exit(1 if problems else 0)
