#!/usr/bin/env python3
"""Exports torchvision topologies with seeded random weights: right for speed, meaningless for accuracy.

    python3 bench/make_nets.py FOLDER NAME...        (Debian: python3-torch, python3-torchvision, python3-onnx)

NAME is a function of torchvision.models, or vit_tiny_16, deit_small_16 (Touvron et al. 2021, arXiv 2012.12877, table 1).
"""
import pathlib
import sys

import torch
import torchvision


def randomise_batchnorm(net: torch.nn.Module) -> None:
    """Statistics that are not 0 and 1, so that folding them is real work."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)


def vision_transformer(width: int, heads: int) -> torch.nn.Module:
    return torchvision.models.VisionTransformer(image_size=224, patch_size=16, num_layers=12, num_heads=heads, hidden_dim=width,
                                                mlp_dim=4 * width)


OWN = {"vit_tiny_16": lambda: vision_transformer(192, 3), "deit_small_16": lambda: vision_transformer(384, 6)}

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name in sys.argv[2:]:
    path = folder / f"{name}.onnx"
    if path.exists():
        continue
    torch.manual_seed(1)
    extra = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    net = (OWN[name]() if name in OWN else getattr(torchvision.models, name)(weights=None, **extra)).eval()
    randomise_batchnorm(net)
    if isinstance(net, torchvision.models.VisionTransformer):  # its head starts at zero
        torch.nn.init.normal_(net.heads.head.weight, std=0.02)
    size = 299 if name == "inception_v3" else 224
    partial = path.with_suffix(".partial")
    torch.onnx.export(net, torch.zeros(1, 3, size, size), partial, opset_version=13, input_names=["input"],
                      output_names=["output"], dynamic_axes={"input": {0: "N"}, "output": {0: "N"}})
    partial.rename(path)
    print(path)
