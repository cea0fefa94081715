#!/usr/bin/env python3
"""An int8 network (QDQ) from a folder of pictures, and which layers lose most.

    python3 python/examples/quantize.py m.onnx pictures/ -o m.int8.onnx
"""
import argparse
import math

import tercel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("pictures")
    parser.add_argument("--preprocessing", help="name of a preset; else what the model says")
    parser.add_argument("--count", type=int, default=256, help="pictures to calibrate on, and to evaluate on")
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()

    model = tercel.load(arguments.model)
    found = tercel.quantize(model, arguments.pictures, preprocessing=arguments.preprocessing,
                            calibration_pictures=arguments.count, held_out_pictures=arguments.count)
    found.model.save_onnx(arguments.output)
    report = found.report
    print(f"{100 * report.agreement:.1f} % of {report.held_out} pictures keep their class; "
          f"{report.quantized_parameters} of {report.parameters} parameters on levels")
    measured = [layer for layer in report.layers if math.isfinite(layer.output_sqnr)]
    for layer in sorted(measured, key=lambda layer: layer.output_sqnr)[:3]:
        print(f"{layer.output_sqnr:5.1f} dB  {layer.node} ({layer.op})")


if __name__ == "__main__":
    main()
