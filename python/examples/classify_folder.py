#!/usr/bin/env python3
"""Classifies every picture of a folder, several at once.

    python3 python/examples/classify_folder.py models/squeezenet1_1.tercel models/photos
"""
import argparse
import concurrent.futures
import pathlib

import tercel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()

    # One session for all threads: they share its weights, and each run has memory of its own.
    session = tercel.Session(tercel.optimize(tercel.load(arguments.model)), threads=1)
    paths = sorted(p for p in arguments.folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))

    def answer(path: pathlib.Path) -> str:
        try:
            best = session.classify(path, top=1)[0]
        except tercel.Error as error:
            return f"{path}: {error}"
        return f"{path}: {best.label or best.index} ({100 * best.probability:.1f} %)"

    with concurrent.futures.ThreadPoolExecutor(arguments.workers) as pool:
        for line in pool.map(answer, paths):
            print(line)


if __name__ == "__main__":
    main()
