#!/usr/bin/env python3
"""Tercel and ONNX Runtime beside other busy programs: what a machine that is shared does to their times.

N programs that never rest (--busy N) run from beginning to end. In turn, on the same network and with the answers compared
first: Tercel on one thread, Tercel on two, ONNX Runtime on one, ONNX Runtime on two, and, with --before PROGRAM, another
build's peer_tercel on two. Printed are the median, the 90 % quantile and the longest run of each, in ms.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

from engine_process import PROGRAM, PeerProcess, TercelProcess
from peers import input_for, label_of, quantile

BUSY = "while True: pass"


def compare(model: str, turns: int, busy: int, before: str | None, pause: float) -> None:
    data = input_for(model)
    with tempfile.TemporaryDirectory() as name:
        folders = [pathlib.Path(name) / str(i) for i in range(5)]
        for folder in folders:
            folder.mkdir()
        rows = {"Tercel, 1 thread": TercelProcess(model, 1, data, folders[0]),
                "Tercel, 2 threads": TercelProcess(model, 2, data, folders[1]),
                "ONNX Runtime, 1 thread": PeerProcess("onnxruntime", model, 1, data, folders[3]),
                "ONNX Runtime, 2 threads": PeerProcess("onnxruntime", model, 2, data, folders[4])}
        if before:
            rows["before, 2 threads"] = TercelProcess(model, 2, data, folders[2], program=before)
        right = rows["ONNX Runtime, 1 thread"].answer
        for row, engine in rows.items():
            error = np.abs(engine.answer - right).max() / np.abs(right).max()
            if not error < 1e-3:
                sys.exit(f"{model}: the answer of {row} differs by {error:.2g} of the largest; nothing was timed")
        others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(busy)]
        try:
            times = {row: [] for row in rows}
            for turn in range(turns + 2):
                for row, engine in rows.items():
                    ms = engine.run()
                    time.sleep(pause)
                    if turn >= 2:
                        times[row].append(ms)
        finally:
            for other in others:
                other.kill()
        for row, ms in times.items():
            print(f"{label_of(model):28} {row:24} {quantile(ms, .5):9.2f} {quantile(ms, .9):9.2f} {max(ms):9.2f}", flush=True)
        for engine in rows.values():
            engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--busy", type=int, default=2, help="programs that never rest (2)")
    parser.add_argument("--turns", type=int, default=41, help="runs of each (41)")
    parser.add_argument("--before", help="peer_tercel of another build, to run in turn as well")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between runs, so that threads of one that spin do not slow the next (0.02)")
    arguments = parser.parse_args()
    print(f"{arguments.busy} busy programs, {arguments.turns} turns, ms; {PROGRAM.name} of this build")
    print(f"{'network':28} {'engine':24} {'median':>9} {'90 %':>9} {'longest':>9}")
    for model in arguments.models:
        compare(model, arguments.turns, arguments.busy, arguments.before, arguments.pause)


if __name__ == "__main__":
    main()
