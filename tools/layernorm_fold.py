#!/usr/bin/env python3
"""What folding layer normalisation does to a network: the norms left, the difference in answers, the time saved.

    python3 tools/layernorm_fold.py [--tercel PROGRAM] [--turns N] [--threads 1,2] MODEL.onnx...

Answers: the same seeded noise through the plan with and without the fold, and through ONNX Runtime (where Python has it)
before and after `tercel optimize`. Time: one run with the fold and one without in turn, first one, then the other first, in two processes
that stay (`cmake --build build/release --target peer_tercel`); the ratio is the median over the turns, behind it its quartiles.
Share: steps of LayerNormalization and ai.tercel.RowScale in the sum of all steps of `tercel bench`, the least of three.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from engine_process import PROGRAM, TercelProcess  # noqa: E402

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

PASSES = ("hoist_gather", "fold_layernorm", "defer_layernorm")
WITHOUT = [word for name in PASSES for word in ("--without", name)]
NORMS = ("LayerNormalization", "ai.tercel.RowScale")


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def answers(program: str, model: str, source: pathlib.Path, *flags: str) -> np.ndarray:
    output = source.with_name("output.npy")
    run(program, "run", model, "--input", str(source), "--output", str(output), *flags)
    return np.load(output)


def distance(got: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())


def bench(program: str, model: str, threads: int, *flags: str) -> dict:
    return json.loads(run(program, "bench", model, "--json", "-n", "20", "-t", str(threads), *flags))


def pairs_of(runners: list[TercelProcess], turns: int) -> list[tuple]:
    """Times of the first and the second, run in turn."""
    pairs = []
    for turn in range(turns + 3):
        order = runners if turn % 2 else runners[::-1]
        times = {runner: runner.run() for runner in order}
        pairs.append((times[runners[0]], times[runners[1]]))
    return pairs[3:]


def norms(program: str, model: str, *flags: str) -> int:
    plan = json.loads(run(program, "inspect", model, "--why", "--json", *flags))["plan"]
    return sum(step["op"] == "LayerNormalization" for step in plan["steps"])


def share(report: dict) -> float:
    return sum(s["ms"] for s in report["steps"] if s["op"] in NORMS) / sum(s["ms"] for s in report["steps"])


def measure(program: str, peer: str, model: str, turns: int, threads: list[int]) -> None:
    name = pathlib.Path(model).parent.name + "/" + pathlib.Path(model).name
    shape = json.loads(run(program, "inspect", model, "--json"))["inputs"][0]["dims"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        noise = np.random.default_rng(1).uniform(-1, 1, [max(1, d) for d in shape]).astype(np.float32)
        np.save(folder / "input.npy", noise)
        wanted = answers(program, model, folder / "input.npy", *WITHOUT)
        got = answers(program, model, folder / "input.npy")
        lean = str(folder / "lean.onnx")
        run(program, "optimize", model, "-o", lean)
        print(f"{name}: norms {norms(program, model, *WITHOUT)} -> {norms(program, model)}; off by {distance(got, wanted):.1e} of the largest score", end="", flush=True)
        if onnxruntime:
            outputs = []
            one = onnxruntime.SessionOptions()
            one.intra_op_num_threads = 1
            for path in (model, lean):
                session = onnxruntime.InferenceSession(path, one, providers=["CPUExecutionProvider"])
                outputs.append(session.run(None, {session.get_inputs()[0].name: noise})[0])
            print(f"; in ONNX Runtime {distance(outputs[1], outputs[0]):.1e}", end="")
        print()
        for count in threads:
            shares = [min(share(bench(program, model, count, *flags)) for _ in range(3)) for flags in (WITHOUT, ())]
            runners = [TercelProcess(model, count, noise, folder, without, peer) for without in ((), PASSES)]
            pairs = pairs_of(runners, turns)
            for runner in runners:
                runner.close()
            low, middle, high = statistics.quantiles([a / b for a, b in pairs], n=4)
            print(f"  {count} threads: share {100 * shares[0]:.2f} % -> {100 * shares[1]:.2f} %; median {statistics.median(b for _, b in pairs):.2f} -> "
                  f"{statistics.median(a for a, _ in pairs):.2f} ms; ratio {middle:.4f} ({low:.4f} .. {high:.4f}, {turns} turns)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--tercel", default="build/release/tercel")
    parser.add_argument("--peer", default=str(PROGRAM))
    parser.add_argument("--turns", type=int, default=400)
    parser.add_argument("--threads", default="1,2", help="empty: nothing is timed")
    options = parser.parse_args()
    for model in options.models:
        measure(options.tercel, options.peer, model, options.turns, [int(t) for t in options.threads.split(",") if t])


main()
