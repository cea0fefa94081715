#!/usr/bin/env python3
"""A PyTorch network, exported to ONNX and run here: the same answers.

    python3 python/examples/pytorch_export.py net.onnx
"""
import argparse
import warnings

import tercel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", help="ONNX file to write")
    arguments = parser.parse_args()

    import torch
    from torch import nn

    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Conv2d(16, 32, 3, padding=1), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    net.eval()
    x = torch.rand(4, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x[:1],), arguments.output, input_names=["picture"], output_names=["scores"],
                          dynamic_axes={"picture": {0: "n"}, "scores": {0: "n"}})

    session = tercel.Session(arguments.output)
    scores = session(x)  # the tensor's own memory, not a copy
    with torch.no_grad():
        wanted = net(x).numpy()
    difference = float(abs(scores - wanted).max())
    print(f"{len(session.model.nodes)} nodes; largest difference {difference:.2g}")
    if difference > 1e-5 * float(abs(wanted).max()):
        raise SystemExit("the answers differ")


if __name__ == "__main__":
    main()
