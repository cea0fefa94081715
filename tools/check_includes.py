#!/usr/bin/env python3
"""The include law, part of `./dev lint`:

- a layer of src/ uses only layers that stand before it;
- it enters another layer through that layer's doors only;
- apps, examples and public headers see include/tercel only;
- what a file of src/ defines is in its layer's namespace, or in tercel where include/tercel declares it;
- no type has two definitions under one name (in one program that would be undefined behaviour, found by nobody).
"""
import collections
import pathlib
import re
import sys

LAYERS = ["base", "hopfield", "tensor", "graph", "onnx", "image", "data", "codec", "pack", "passes", "kernels", "plan",
          "fpga",
          "engines", "session", "quant", "search", "tune"]
# These never see each other although the order would let the later one see the earlier.
APART = [{"graph", "kernels"}, {"image", "graph"}, {"image", "kernels"}, {"image", "passes"}, {"onnx", "kernels"},
         {"passes", "kernels"}, {"passes", "onnx"}, {"onnx", "image"}]
APART += [{"data", other} for other in ("tensor", "graph", "onnx")]
# The coder knows numbers only.
APART += [{"codec", other} for other in LAYERS[LAYERS.index("graph"):LAYERS.index("codec")]]
# So do the models of the FPGA.
APART += [{"fpga", other} for other in LAYERS[LAYERS.index("graph"):LAYERS.index("fpga")]]
# Memories know no network, and only kernels and tune know memories.
APART += [{"hopfield", other} for other in LAYERS[2:] if other not in ("kernels", "tune")]
# Evolution knows no network.
APART += [{"search", other} for other in LAYERS[1:LAYERS.index("search")]]

# Headers by which other layers come in. base and tensor are the vocabulary of all: every header of theirs is one.
DOORS = {
    "hopfield": ["bit_patterns.h", "overlaps.h", "readout.h", "rule.h", "recall.h", "parallel_networks.h",
                 "prototypes.h", "binarization.h"],
    "graph": ["graph.h", "op.h", "dtype_attr.h", "infer.h", "verify.h", "text.h", "cost.h", "standard_form.h"],
    "onnx": ["reader.h", "writer.h", "tensor_proto.h"],
    "image": ["preprocessing.h"],
    "data": ["idx.h"],
    "codec": ["codec.h", "quantized_matrix.h", "kernel_basis.h", "trellis.h", "crc32.h", "syntax/fields.h"],
    "pack": ["pack.h"],
    "passes": ["pass.h", "recipe.h", "match.h", "linear_weights.h", "linear_bias.h", "norm_readers.h", "global_mean.h",
               "node_activation.h"],
    "kernels": ["kernel.h", "menu.h", "reorder.h", "packed_weights.h", "levels.h", "ref/ref.h", "ref/axes.h",
                "ref/broadcast.h",
                "simd/gemm.h"],
    "plan": ["plan.h", "evaluate.h"],
    "fpga": ["board.h", "cycle_model.h", "design_point.h", "known_networks.h", "layer_shape.h", "published.h",
             "resource_model.h"],
    "engines": ["engine.h", "workspace.h", "pipeline/layer_shapes.h",
                "cpu/cpu_engine.h", "pipeline/pipeline_engine.h", "pipeline/emit.h", "pipeline/pipeline_program.h", "pipeline/simulation.h"],
    "session": ["model_impl.h", "optimizer.h", "picture_model.h"],
    "quant": ["bias_correction.h", "choose_basis.h", "correction.h", "curvature.h", "drop_estimate.h",
              "insert_levels.h", "level_choice.h", "linear_site.h", "migrate_scale.h", "moments.h", "observe.h", "pictures.h", "quantize.h",
              "range.h",
              "row_noise.h",
              "segmented_forward.h", "widen.h"],
    "search": ["evolve.h", "evolve_choices.h"],
}
# Rooms behind a door that only some may enter: plan, menu and kernels are the CPU engine's interior.
INTERIOR = {
    "plan/plan.h": {"plan", "engines"},
    "kernels/kernel.h": {"kernels", "plan"},
    "kernels/menu.h": {"kernels", "plan"},
    "kernels/reorder.h": {"kernels", "plan"},
}

# Files that define what include/tercel declares: their namespace is tercel itself.
PUBLIC = {"base/error.cc", "base/version.cc", "tensor/dtype.cc", "data/grey_pictures.cc", "data/noisy_mnist.cc",
          "fpga/design_point_text.cc", "image/crop.cc", "image/decode.cc", "image/labels.cc", "image/preprocess.cc",
          "image/preprocessing.cc", "image/resize.cc", "session/array.cc", "session/model.cc", "session/model_impl.h",
          "session/session.cc", "session/session_on.h", "tune/compress.cc", "tune/compression_front.cc", "tune/fpga.cc",
          "tune/fpga_simulation.cc", "tune/hopfield.cc", "tune/hopfield_compare.cc", "tune/hopfield_standard.cc",
          "tune/quantize.cc", "tune/static_norm.cc"}
OUTER_NAMESPACE = re.compile(r"^namespace (tercel[\w: ]*) \{", re.M)

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
TYPE = re.compile(r"^(?:template\s*<[^>]*>\s*)?(?:class|struct|enum class|enum)\s+(\w+)\s*(?:final\s*)?(?::[^:{;][^{;]*)?\{")

root = pathlib.Path(__file__).resolve().parent.parent
problems = []


def sources(folder: str):
    return [file for file in sorted((root / folder).rglob("*")) if file.suffix in (".h", ".cc")
            and file.parent.name != "emitted"]  # text for others' folders


def check_include(name: str, include: str) -> None:
    mine, (theirs, _, header) = name.split("/")[0], include.partition("/")
    if theirs == "tercel":
        return  # public headers
    if theirs not in LAYERS:
        problems.append(f"{name}: '{include}' is not written from src/")
    elif theirs == mine:
        return
    elif LAYERS.index(theirs) > LAYERS.index(mine):
        problems.append(f"{name}: {mine} must not use {theirs} ({include})")
    elif {mine, theirs} in APART:
        problems.append(f"{name}: {mine} and {theirs} never see each other ({include})")
    elif theirs in DOORS and header not in DOORS[theirs] and not header.endswith("_testing.h"):
        problems.append(f"{name}: '{include}' is no door of {theirs}; its doors: {', '.join(DOORS[theirs])}")
    elif include in INTERIOR and mine not in INTERIOR[include]:
        problems.append(f"{name}: '{include}' is for {', '.join(sorted(INTERIOR[include]))} only")


def check_namespace(name: str, text: str) -> None:
    layer = name.split("/")[0]
    wanted = {"tercel"} if name in PUBLIC else {f"tercel::inline {layer}", f"tercel::{layer}"}
    for namespace in OUTER_NAMESPACE.findall(text):
        if not any(namespace == one or namespace.startswith(one + "::") for one in wanted) or (
                name not in PUBLIC and namespace == "tercel"):
            problems.append(f"{name}: opens namespace {namespace}, wanted {' or '.join(sorted(wanted))}")


def types_defined(file: pathlib.Path):
    """Names of types defined at the outermost level of a named namespace, with their lines."""
    unnamed = False
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line == "namespace {":
            unnamed = True
        elif line == "}  // namespace":
            unnamed = False
        match = TYPE.match(line)
        if match and not unnamed:
            yield match.group(1), number


for file in sources("src"):
    name = file.relative_to(root / "src").as_posix()
    text = file.read_text()
    check_namespace(name, text)
    for include in INCLUDE.findall(text):
        check_include(name, include)

for layer, doors in DOORS.items():
    for header in doors:
        if not (root / "src" / layer / header).exists():
            problems.append(f"tools/check_includes.py: {layer} has no '{header}', which is named as its door")

for folder in ("apps", "examples", "include"):
    for file in sources(folder):
        for include in INCLUDE.findall(file.read_text()):
            if not include.startswith("tercel/") and not (file.parent / include).exists():
                problems.append(f"{file.relative_to(root)}: sees '{include}', but only include/tercel is public")

defined = collections.defaultdict(list)
for file in sources("src") + sources("include"):
    for name, line in types_defined(file):
        defined[name].append(f"{file.relative_to(root)}:{line}")
for name, places in defined.items():
    if len(places) > 1:
        problems.append(f"type '{name}' is defined {len(places)} times: {', '.join(places)}")

for problem in problems:
    print(problem)
print(f"include law: {len(problems)} broken")
sys.exit(1 if problems else 0)
