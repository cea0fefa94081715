#!/usr/bin/env python3
"""PipeCNN's kernels beside Tercel's, layer by layer, by the models: peers_fpga.py TERCEL [BOARD]. No board is needed.

PipeCNN runs with the fastest parameters that are published whole for an Arria 10 (V 16, L 64: issue 66 of
github.com/doonny/PipeCNN); Tercel with the same, and with those that its explorer chooses. The last line is a verdict.
"""
import json
import math
import subprocess
import sys

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
        rows = [("layer", "PipeCNN", "bound by", "Tercel", "bound by", "ratio", "chosen", "bound by")]
        for a, b, c in zip(theirs["layers"], same["layers"], chosen):
            layers_seen += 1
            slower += b["ms"] > 1.001 * a["ms"]
            rows.append((a["name"], f"{a['ms']:.3f}", a["bottleneck"], f"{b['ms']:.3f}", b["bottleneck"],
                         f"{b['ms'] / a['ms']:.2f}", f"{c['ms']:.3f}", c["bottleneck"]))
        totals = [sum(layer["ms"] for layer in layers) for layers in (theirs["layers"], same["layers"], chosen)]
        rows.append(("total", f"{totals[0]:.2f}", "", f"{totals[1]:.2f}", "", f"{totals[1] / totals[0]:.2f}",
                     f"{totals[2]:.2f}", ""))
        table(rows)
        same_ratios.append(totals[1] / totals[0])
        chosen_ratios.append(totals[2] / totals[0])
    print("\nother estimators, as published:")
    for name, figure, source in PUBLISHED_ELSEWHERE:
        print(f"  {name}: {figure} ({source})")
    interval = tercel(program, "explore", "--network", "resnet50", "--board", board)["latency_interval"]
    print(f"published / predicted time of PipeCNN's kernels: {interval['low_factor']:.2f} .. {interval['high_factor']:.2f} "
          f"({interval['points']} {interval['basis']}); Tercel's kernels were never synthesized")

    def of(ratios):
        return ", ".join(f"{network} {ratio:.2f}" for network, ratio in zip(NETWORKS, ratios))

    mean = math.exp(sum(map(math.log, same_ratios)) / len(same_ratios))
    word = "faster" if slower == 0 and mean < 1 else "not faster"
    print(f"verdict: Tercel's kernels are {word} by the models: at PipeCNN's parameters {of(same_ratios)} of its time "
          f"({slower} of {layers_seen} layers slower), at the explorer's {of(chosen_ratios)}")
    sys.exit(0 if word == "faster" else 1)


main()
