#!/usr/bin/env python3
"""What each size of a network's file costs, as a chart, and then the file that was asked for.

    python3 python/examples/compress_and_plot.py m.onnx pictures/ --ratios 4,6,8 --html front.html -o m.tercel
"""
import argparse

import tercel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("pictures")
    parser.add_argument("--preprocessing", help="name of a preset; else what the model says")
    parser.add_argument("--ratios", default="4,6,8")
    parser.add_argument("--count", type=int, default=128, help="pictures to calibrate on, to tune on, and to evaluate on")
    parser.add_argument("--effort", type=int, default=5)
    parser.add_argument("--html", required=True)
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()

    model = tercel.load(arguments.model)
    if arguments.preprocessing:
        model = model.with_preprocessing(arguments.preprocessing)
    ratios = [float(text) for text in arguments.ratios.split(",")]

    def progress(stage: str, done: float) -> None:
        print(f"\r{stage}: {100 * done:3.0f} %\033[K", end="")

    front = tercel.compression_front(model, ratios, arguments.pictures, effort=arguments.effort, progress=progress,
                                     calibration_pictures=arguments.count, tuning_pictures=arguments.count,
                                     held_out_pictures=arguments.count)
    print("\r\033[K", end="")
    for point in front:
        print(f"{point.ratio:.2f}x, {point.bytes} bytes: {100 * point.agreement:.1f} % agree")
    with open(arguments.html, "w", encoding="utf-8") as page:
        page.write("<!DOCTYPE html><meta charset='utf-8'>" + front._repr_html_())

    found = tercel.compress(model, arguments.pictures, target_ratio=ratios[-1], force=True, effort=arguments.effort,
                            calibration_pictures=arguments.count, tuning_pictures=arguments.count,
                            held_out_pictures=arguments.count)
    found.save(arguments.output)
    print(f"{arguments.output}: {found.report.result.ratio:.2f}x smaller")


if __name__ == "__main__":
    main()
