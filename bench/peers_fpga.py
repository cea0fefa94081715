#!/usr/bin/env python3
"""PipeCNN's kernels beside Tercel's, layer by layer, by the models: peers_fpga.py TERCEL [BOARD]. No board is needed.

PipeCNN runs with the fastest parameters that are published whole for an Arria 10 (V 16, L 64: issue 66 of
github.com/doonny/PipeCNN); Tercel with the same, and with those that its explorer chooses. PipeCNN's published formula
lets the weights of a convolution arrive in time; Tercel's model counts the clocks that the first position of a lane group
waits for them. For the comparison they arrive in time in both ("Tercel"); what Tercel's own model says is shown beside
it ("with waits"), and is what the explorer's choice is judged by. The last line is a verdict.
"""
import json
import math
import subprocess
import sys

STALLS = 1.03  # of the model
NETWORKS = ("alexnet", "vgg16", "resnet50")
# Nothing here was computed by us: what other estimators say of their own error, and where.
PUBLISHED_ELSEWHERE = (
    ("MCCM", "average accuracy above 90 % on multiple-engine CNN accelerators", "arXiv 2503.07242, abstract"),
    ("Ferianc et al.", "a Gaussian process has 30.7 % less mean absolute error than an analytic model, Arria 10, 3 CNNs",
     "ARC 2020, abstract"),
    ("FPGA AI Suite", "its area estimator calls its own figure for memory an underestimate", "Intel 768972, manual"),
)


def tercel(program: str, *arguments: str):
    done = subprocess.run([program, "fpga", *arguments, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def without_waits(layer, clock_mhz: float) -> float:
    """ms of one of Tercel's layers whose weights arrive in time (fully connected ones wait in both models)."""
    if layer["kind"] == "fc":
        return layer["ms"]
    others = max(layer[term] for term in ("compute_cycles", "window_load_cycles", "pool_cycles", "write_cycles", "ddr_cycles"))
    return layer["ms"] - STALLS * (layer["cycles"] - others - layer["fill_cycles"]) / (1e3 * clock_mhz)


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) if i == 0 or not cell[:1].isdigit() else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


def main() -> None:
    program, board = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "385a"
    published = f"vec=16,lane=64,window_x=7,board={board}"
    same_ratios, chosen_ratios, slower, layers_seen = [], [], 0, 0
    for network in NETWORKS:
        theirs = tercel(program, "estimate", "--network", network, "--point", published, "--kernels", "pipecnn")
        same = tercel(program, "estimate", "--network", network, "--point", published)
        explored = tercel(program, "explore", "--network", network, "--board", board)
        chosen, point = explored["layers"], explored["best"]["point"]
        print(f"\n{network} on {board}, one picture, ms by the models; PipeCNN 16 x 64, Tercel 16 x 64, Tercel "
              f"{point['vec']} x {point['lane']} (window_x {point['window_x']})\n")
        clock = same["point"]["clock_mhz"]
        rows = [("layer", "PipeCNN", "bound by", "Tercel", "ratio", "with waits", "bound by", "chosen", "bound by")]
        totals = [0.0] * 4
        for a, b, c in zip(theirs["layers"], same["layers"], chosen):
            times = (a["ms"], without_waits(b, clock), b["ms"], c["ms"])
            layers_seen += 1
            slower += times[1] > 1.03 * times[0]
            totals = [total + time for total, time in zip(totals, times)]
            rows.append((a["name"], f"{times[0]:.3f}", a["bottleneck"], f"{times[1]:.3f}", f"{times[1] / times[0]:.2f}",
                         f"{times[2]:.3f}", b["bottleneck"], f"{times[3]:.3f}", c["bottleneck"]))
        rows.append(("total", f"{totals[0]:.2f}", "", f"{totals[1]:.2f}", f"{totals[1] / totals[0]:.2f}",
                     f"{totals[2]:.2f}", "", f"{totals[3]:.2f}", ""))
        table(rows)
        same_ratios.append(totals[1] / totals[0])
        chosen_ratios.append(totals[3] / totals[0])
    print("\nother estimators, as published:")
    for name, figure, source in PUBLISHED_ELSEWHERE:
        print(f"  {name}: {figure} ({source})")
    interval = tercel(program, "explore", "--network", "resnet50", "--board", board)["latency_interval"]
    print(f"published / predicted time of PipeCNN's kernels: {interval['low_factor']:.2f} .. {interval['high_factor']:.2f} "
          f"({interval['points']} {interval['basis']}); Tercel's kernels were never synthesized")

    def of(ratios):
        return ", ".join(f"{network} {ratio:.2f}" for network, ratio in zip(NETWORKS, ratios))

    mean = math.exp(sum(map(math.log, same_ratios)) / len(same_ratios))
    word = "faster" if mean < 1 and max(same_ratios) < 1.02 else "not faster"
    print(f"verdict: by the models Tercel's kernels are {word}: at PipeCNN's parameters {of(same_ratios)} of its time, "
          f"{slower} of {layers_seen} layers more than 3 % slower; at the explorer's {of(chosen_ratios)}, waits counted")
    sys.exit(0 if word == "faster" else 1)


main()
