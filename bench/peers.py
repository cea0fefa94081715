#!/usr/bin/env python3
"""Tercel and ONNX Runtime on the same networks, one run of each in turn, so that a slow moment of the machine hits both.

Every row first checks that both give the same answer. Load is everything before the first run (ONNX
Runtime: the session; Tercel: reading, passes, packing), peak MiB what Tercel's process took until then. Figures are medians over the
turns; the ratio is the median of the
ratios turn by turn, with its 10 % and 90 % quantiles.
"""
import argparse
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np
import onnxruntime

from tercel_process import TercelProcess

TURNS = 21


class OnnxRuntime:
    def __init__(self, model: str, threads: int, data: np.ndarray):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would take the processors away from whoever is measured next.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        start = time.perf_counter()
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.load_ms = 1e3 * (time.perf_counter() - start)
        self.feed = {self.session.get_inputs()[0].name: data}
        self.answer = self.session.run(None, self.feed)[0]

    def run(self) -> float:
        start = time.perf_counter()
        self.session.run(None, self.feed)
        return 1e3 * (time.perf_counter() - start)


def input_for(model: str) -> np.ndarray:
    """Seeded numbers for the model's input, axes that are not fixed being 1."""
    shape = [d if isinstance(d, int) else 1 for d in
             onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()[0].shape]
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def label_of(model: str) -> str:
    net = pathlib.Path(model)
    return net.parent.name if net.stem == "model" else net.stem


def compare(model: str, threads: int, turns: int) -> None:
    data = input_for(model)
    with tempfile.TemporaryDirectory() as name:
        ours = TercelProcess(model, threads, data, pathlib.Path(name))
        peer = OnnxRuntime(model, threads, data)
        error = np.abs(ours.answer - peer.answer).max() / np.abs(peer.answer).max()
        if not error < 1e-3:
            sys.exit(f"{model}: the answers differ by {error:.2g} of the largest; nothing was timed")
        pairs = []
        for turn in range(turns + 3):
            pair = (ours.run(), peer.run())
            if turn >= 3:
                pairs.append(pair)
        ours.close()
    ratios = sorted(a / b for a, b in pairs)
    print(f"{label_of(model):28} {threads:7} {statistics.median(a for a, _ in pairs):9.2f} {statistics.median(b for _, b in pairs):9.2f} "
          f"{statistics.median(ratios):7.3f} ({ratios[len(ratios) // 10]:.3f} .. {ratios[-1 - len(ratios) // 10]:.3f}) "
          f"{ours.load_ms:8.0f} {peer.load_ms:8.0f} {ours.load_mib:9.0f} {error:9.1e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+")
    parser.add_argument("--turns", type=int, default=TURNS)
    arguments = parser.parse_args()
    print(f"ONNX Runtime {onnxruntime.__version__}, {arguments.turns} turns; times in ms, ratio = Tercel / ONNX Runtime")
    print(f"{'network':28} {'threads':>7} {'Tercel':>9} {'ORT':>9} {'ratio':>7} {'10 % .. 90 %':>16} {'load':>9} {'load ORT':>8} {'peak MiB':>9} {'error':>9}")
    for path in arguments.models:
        for count in (1, 2):
            compare(path, count, arguments.turns)


if __name__ == "__main__":
    main()
