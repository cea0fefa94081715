#!/usr/bin/env python3
"""A memory for many classes without their pictures: the rows of the last layer as patterns.

    tools/hopfield_class_rows.py MODEL.onnx PICTURES --preprocess vit|imagenet [--seed 1]

MODEL: ends in a Gemm, a MatMul or a 1x1 convolution with a row of weights for each class (of convolutions, features are averaged over
height and width). PICTURES: a folder with labels.tsv (FILE, tab, CLASS). Rows less their mean, and features less their median, become bits
by their signs, as they are or through a random rotation into more of them; a class is named by the largest overlap. Medians are
of one half of the pictures, the other half is tested, and the reverse: labels are used for nothing but the count. Prints a line of
JSON for each head: accuracy, agreement with the network as it is, and bytes. Needs onnxruntime, onnx, numpy and Pillow.
"""
import argparse
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from PIL import Image

PREPROCESS = {"vit": (248, Image.BICUBIC, np.full(3, 0.5), np.full(3, 0.5)),
              "imagenet": (256, Image.BILINEAR, np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))}
SIDE = 224


def picture(path: pathlib.Path, how: str) -> np.ndarray:
    shorter, filter_, mean, deviation = PREPROCESS[how]
    image = Image.open(path).convert("RGB")
    scale = shorter / min(image.size)
    image = image.resize([round(scale * side) for side in image.size], filter_)
    x, y = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    levels = np.asarray(image.crop((x, y, x + SIDE, y + SIDE)), np.float32) / 255
    return ((levels - mean) / deviation).astype(np.float32).transpose(2, 0, 1)[None]


def last_layer(model: onnx.ModelProto) -> tuple:
    """The value that the last layer with constant weights reads, its rows [classes, features] and its biases."""
    tensors = {one.name: one for one in model.graph.initializer}
    for node in reversed(model.graph.node):
        if node.op_type not in ("Gemm", "MatMul", "Conv") or node.input[1] not in tensors:
            continue
        weights = numpy_helper.to_array(tensors[node.input[1]])
        if node.op_type == "MatMul" or (node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute)):
            weights = weights.T
        bias = numpy_helper.to_array(tensors[node.input[2]]) if len(node.input) > 2 else np.zeros(len(weights), np.float32)
        return node.input[0], weights.reshape(len(weights), -1), bias
    raise SystemExit("no layer with constant weights")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("pictures", type=pathlib.Path)
    parser.add_argument("--preprocess", choices=PREPROCESS, required=True)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    lines = [line.split("\t") for line in (a.pictures / "labels.tsv").read_text().splitlines()]
    labels = np.array([int(line[1]) for line in lines])
    model = onnx.load(str(a.model))
    value, rows, bias = last_layer(model)
    scores_name = model.graph.output[0].name
    model.graph.output.append(onnx.ValueInfoProto(name=value))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    answers, features = [], []
    for file, *_ in lines:
        scores, x = session.run([scores_name, value], {session.get_inputs()[0].name: picture(a.pictures / file, a.preprocess)})
        answers.append(int(scores.reshape(-1).argmax()))
        features.append(x.reshape(rows.shape[1], -1).mean(1) if x.ndim == 4 else x.reshape(-1))
    answers, features = np.array(answers), np.stack(features)

    def report(head: str, named: np.ndarray, size: int) -> None:
        print(json.dumps({"model": a.model.parent.name, "head": head, "pictures": len(labels), "classes": len(rows),
                          "accuracy": round(float((named == labels).mean()), 4),
                          "agreement": round(float((named == answers).mean()), 4), "bytes": size}), flush=True)

    classes, width = rows.shape
    report("the network as it is", answers, 4 * (rows.size + classes))
    report("last layer on averaged features, f32", (features @ rows.T + bias).argmax(1), 4 * (rows.size + classes))
    scale = np.abs(rows).max(1, keepdims=True) / 127
    report("the same, int8", (features @ (np.round(rows / scale) * scale).T + bias).argmax(1), rows.size + 8 * classes)
    halves = np.arange(len(labels)) % 2
    centred = np.stack([x - np.median(features[halves != half], 0) for x, half in zip(features, halves)])
    patterns = rows - rows.mean(0)
    report("rows less their mean, cosine, f32", (centred @ (patterns / np.linalg.norm(patterns, axis=1, keepdims=True)).T).argmax(1),
           4 * rows.size)
    report("signs of rows on features, f32", (centred @ np.sign(patterns).T).argmax(1), rows.size // 8 + 4 * width)
    report(f"memory of rows, {width} bits", (np.sign(centred) @ np.sign(patterns).T).argmax(1), rows.size // 8 + 4 * width)
    random = np.random.default_rng(a.seed)
    for bits in (1024, 4096, 16384):
        blocks = [np.linalg.qr(random.standard_normal((width, width)))[0] for _ in range(-(-bits // width))]
        rotation = np.concatenate(blocks, 1)[:, :bits].astype(np.float32)
        # The rotation comes from a seed, or is Walsh and Hadamard's with random signs: a bit a feature and block.
        report(f"memory of rows, {bits} bits by rotation", (np.sign(centred @ rotation) @ np.sign(patterns @ rotation).T).argmax(1),
               classes * bits // 8 + 4 * width + bits // 8)


if __name__ == "__main__":
    main()
