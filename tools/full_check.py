#!/usr/bin/env python3
"""full_check.py TERCEL MODEL...: are the files that `tercel optimize -o` writes of these models good to ONNX's full checker?

Prints the ones that are not, and counts; models that Tercel refuses, or that the checker refuses as they are, count apart. Wants the
package onnx of the newest opset that the models have. A folder stands for every model.onnx below it: the node tests of ONNX lie in
/usr/share/libonnx-testdata/data/node (Debian: libonnx-testdata).
"""
import pathlib
import subprocess
import sys
import tempfile

import onnx


def complaint(path: pathlib.Path) -> str:
    try:
        onnx.checker.check_model(str(path), full_check=True)
        return ""
    except Exception as error:  # of several kinds
        return " ".join(str(error).split())[:300]


def main() -> int:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    given = [model for word in sys.argv[2:]
             for model in (sorted(pathlib.Path(word).rglob("model.onnx")) if pathlib.Path(word).is_dir() else [pathlib.Path(word)])]
    count = {"good": 0, "refused by Tercel": 0, "bad as given": 0, "bad": 0}
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "optimized.onnx"
        for model in given:
            if subprocess.run([sys.argv[1], "optimize", model, "-o", out], capture_output=True).returncode != 0:
                count["refused by Tercel"] += 1
            elif not (why := complaint(out)):
                count["good"] += 1
            elif complaint(model):
                count["bad as given"] += 1
            else:
                count["bad"] += 1
                print(f"{model}: {why}")
    print(", ".join(f"{number} {what}" for what, number in count.items()))
    return 1 if count["bad"] > 0 else 0


if __name__ == "__main__":
    sys.exit(main())
