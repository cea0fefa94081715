#!/usr/bin/env python3
"""Runs again what docs/claims.md claims, as far as that takes seconds: `./dev claims`.

    python3 tools/claims.py BUILD_FOLDER [--list]

A check finds its row by words of the claim and compares the figure that stands there with what comes out now; a row that
is gone, a command that fails, a test that is skipped or another figure makes this fail. Rows that take minutes (speed,
size against other tools) are not run: their command stands beside them. Times are never checked.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Wrong(Exception):
    pass


def output_of(*command) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        raise Wrong(f"{' '.join(str(word) for word in command)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def tests_pass(build: pathlib.Path, pattern: str) -> str:
    text = output_of("ctest", "--test-dir", build, "-R", pattern, "--no-tests=error", "--output-on-failure")
    ran = re.search(r"(\d+)% tests passed, 0 tests failed out of (\d+)", text)
    if not ran:
        raise Wrong(f"-R {pattern}: no test ran")
    return f"{ran.group(2)} tests pass"


def node_cases(build: pathlib.Path, row: str) -> str:
    text = output_of(build / "tests/onnx_node_test", "--gtest_filter=OnnxNode.*")
    counts = re.search(r"(\d+) passed, (\d+) refused", text)
    if not counts:
        raise Wrong("the test prints no counts")
    wanted = re.search(r"(\d+) of (\d+) pass, (\d+) refused", row)
    if (wanted.group(1), wanted.group(3)) != counts.groups():
        raise Wrong(f"claimed {wanted.group(0)}, counted {counts.group(0)}")
    return counts.group(0)


def opset_cases(build: pathlib.Path, row: str) -> str:
    text = output_of(build / "tests/opset_history_test")
    counts = re.search(r"(\d+) operators in (\d+) versions, (\d+) cases: (\d+) right, (\d+) refused", text)
    wanted = re.search(r"(\d+) operators, (\d+) versions, (\d+) cases: (\d+) right, (\d+) refused", row)
    if not counts or not wanted or counts.groups() != wanted.groups():
        raise Wrong(f"claimed {wanted and wanted.group(0)}, counted {counts and counts.group(0)}")
    return counts.group(0)


def shipped_networks(build: pathlib.Path, row: str) -> str:
    """A sixth of fp32 or less, by each file's own parameters."""
    ratios = []
    for model in sorted((ROOT / "models").glob("*.tercel")):
        found = re.search(r'"parameters": ?(\d+)', output_of(build / "tercel", "inspect", "--json", model))
        if not found:
            raise Wrong(f"{model.name}: inspect tells no parameters")
        ratio = 4 * int(found.group(1)) / model.stat().st_size
        if ratio < 5.995:
            raise Wrong(f"{model.name}: {ratio:.2f} times smaller")
        ratios.append(f"{model.stem} {ratio:.1f}x")
    return ", ".join(ratios)


def in_percent(row: str, before: str, figures) -> str:
    """"`before` 0.4, 2.2 %" stands in the row with these figures, in this order."""
    wanted = re.search(before + r" ([\d.,+ -]+) %", row)
    if not wanted or wanted.group(1).split(", ") != figures:
        raise Wrong(f"claimed {wanted and wanted.group(1)}, computed {', '.join(figures)}")
    return f"{before} {', '.join(figures)} %"


def fpga_errors(build: pathlib.Path, row: str) -> str:
    summary = json.loads(output_of(build / "tercel", "fpga", "validate", "--json"))["summary"]
    return in_percent(row, "mean errors", [f"{100 * gate['mean']:.1f}" for gate in summary])


def fpga_predictions(build: pathlib.Path, row: str) -> str:
    rows = json.loads(output_of(build / "tercel", "fpga", "validate", "--json"))["rows"]
    return in_percent(row, "off by", [f"{100 * r['error']:+.1f}" for r in rows
                                      if r["use"] == "new_board" and r["quantity"] == "latency_ms"])


CHECKS = [  # words of the row, needs TERCEL_DATA, check
    ("ONNX node cases", False, node_cases),
    ("every operator at every opset", False, opset_cases),
    ("the shipped networks at a sixth", False, shipped_networks),
    ("errors of the FPGA models", False, fpga_errors),
    ("boards on which nothing was fitted", False, fpga_predictions),
    ("forked children run", False, lambda build, row: tests_pass(build, r"ParallelFor|CpuQuota|Threads|Session\.RunsInAForkedChild")),
    ("layer normalization folded without loss", True, lambda build, row: tests_pass(build, "FoldLayernorm")),
    ("six networks match their recorded outputs", True, lambda build, row: tests_pass(build, "GoldenModels")),
]


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the cheap rows of docs/claims.md again.")
    parser.add_argument("build", type=pathlib.Path, help="folder of the release build")
    parser.add_argument("--list", action="store_true", help="name the checks and stop")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    rows = [line for line in (ROOT / "docs/claims.md").read_text().splitlines() if line.startswith("|")]
    failed = 0
    for words, needs_data, check in CHECKS:
        if arguments.list:
            print(words)
            continue
        if needs_data and not os.environ.get("TERCEL_DATA"):
            print(f"skipped  {words}: TERCEL_DATA is not set")
            continue
        row = next((line for line in rows if words in line), None)
        try:
            if row is None:
                raise Wrong("docs/claims.md has no such row")
            print(f"holds    {words}: {check(build, row)}", flush=True)
        except Wrong as wrong:
            failed += 1
            print(f"WRONG    {words}: {wrong}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
