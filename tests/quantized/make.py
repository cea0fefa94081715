#!/usr/bin/env python3
"""Makes the quantized ResNet-20 of tests/quantized_test.cc, and ONNX Runtime's answers. Run by hand:

    python3 make.py RESNET20.onnx     (onnx, onnxruntime, numpy, Pillow; made with ONNX Runtime 1.32)

RESNET20.onnx is the fp32 network that models/resnet20_cifar10.tercel was made of (licence: models/README.md). Its QDQ
forms by ONNX Runtime's static quantizer: u8.onnx, u8 activations and weights; i8.onnx, i8 per tensor, symmetric;
channels.onnx, u8 activations and i8 weights per channel.

u8.npy holds the answers of ONNX Runtime's own int8 kernels. The others are of its float kernels with every quantizer
performed as it stands (no graph optimization): on processors without VNNI its products of u8 and i8 saturate at 16 bits,
and its answers are wrong by up to 62 quantization steps.
"""
import pathlib
import sys

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static, shape_inference
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
MEAN, DEVIATION = np.array([0.4914, 0.4822, 0.4465]), np.array([0.2023, 0.1994, 0.2010])


def picture(path: pathlib.Path) -> np.ndarray:
    pixels = np.asarray(Image.open(path).convert("RGB").resize((32, 32), Image.BILINEAR), np.float32) / 255
    return ((pixels - MEAN) / DEVIATION).transpose(2, 0, 1)[None].astype(np.float32)


def inputs() -> list:
    generator = np.random.default_rng(1)
    pictures = [picture(path) for path in sorted((HERE / "../../models/photos").glob("*.jpg"))]
    return pictures + [generator.normal(0, 1, (1, 3, 32, 32)).astype(np.float32) for _ in range(2)]


class Reader(CalibrationDataReader):
    def __init__(self, name, arrays):
        self.items = iter([{name: array} for array in arrays])

    def get_next(self):
        return next(self.items, None)


def answers(path: pathlib.Path, arrays: list, optimized: bool) -> np.ndarray:
    options = ort.SessionOptions()
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: array})[0] for array in arrays])


def main() -> None:
    arrays = inputs()
    np.save(HERE / "inputs.npy", np.concatenate(arrays))
    prepared = HERE / "prepared.onnx"
    shape_inference.quant_pre_process(sys.argv[1], str(prepared), skip_symbolic_shape=True)
    forms = {
        "u8": dict(per_channel=False, activation_type=QuantType.QUInt8, weight_type=QuantType.QUInt8),
        "i8": dict(per_channel=False, activation_type=QuantType.QInt8, weight_type=QuantType.QInt8,
                   extra_options={"ActivationSymmetric": True}),
        "channels": dict(per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8),
    }
    for name, how in forms.items():
        path = HERE / f"{name}.onnx"
        quantize_static(str(prepared), str(path), Reader("input", arrays), quant_format=QuantFormat.QDQ, **how)
        np.save(HERE / f"{name}.npy", answers(path, arrays, optimized=name == "u8"))
    prepared.unlink()


if __name__ == "__main__":
    main()
