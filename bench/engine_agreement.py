#!/usr/bin/env python3
"""Do a quantized network's engines agree with each other, and with the float network?

    bench/engine_agreement.py FLOAT_MODEL INT8_MODEL PICTURES [--tercel PROGRAM] [--point OPTIONS] [--at-most N] [--preprocess NAME]

Classifies every picture of a folder with the float network, with the int8 network on the processor's kernels and with the
int8 network on the pipeline, and counts equal answers. Probabilities of the two engines must be equal to the last digit
printed.
"""
import argparse
import json
import pathlib
import subprocess
import sys


def answers(tercel, model, pictures, *options):
    """(class, probability) of each picture."""
    result = []
    for first in range(0, len(pictures), 100):
        out = subprocess.run([tercel, "classify", model, *pictures[first:first + 100], "--top", "1", "--json", *options],
                             check=True, capture_output=True, text=True).stdout
        parsed = json.loads(out)
        for picture in parsed:
            top = picture["classes"][0]
            result.append((top["class"], top["probability"]))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("float_model")
    parser.add_argument("int8_model")
    parser.add_argument("pictures", type=pathlib.Path)
    parser.add_argument("--tercel", default="build/release/tercel")
    parser.add_argument("--point", default="", help="of the pipeline, as in vec=8,lane=16")
    parser.add_argument("--at-most", type=int, default=0)
    parser.add_argument("--preprocess", help="of pictures, for both networks; without it each takes its own")
    args = parser.parse_args()
    pictures = sorted(str(p) for p in args.pictures.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if args.at_most:
        pictures = pictures[:args.at_most]
    if not pictures:
        sys.exit(f"{args.pictures}: no pictures")
    engine = "pipeline" + (":" + args.point if args.point else "")
    how = ["--preprocess", args.preprocess] if args.preprocess else []
    floats = answers(args.tercel, args.float_model, pictures, *how)
    cpu = answers(args.tercel, args.int8_model, pictures, *how)
    pipeline = answers(args.tercel, args.int8_model, pictures, *how, "--engine", engine)
    same = sum(a == b for a, b in zip(cpu, pipeline))
    agree = sum(a[0] == b[0] for a, b in zip(floats, pipeline))
    print(f"{len(pictures)} pictures: the engines give the same class and probability on {same}; "
          f"the int8 network agrees with the float one on {agree} ({100 * agree / len(pictures):.1f} %)")
    sys.exit(0 if same == len(pictures) else 1)


if __name__ == "__main__":
    main()
