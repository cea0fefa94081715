#!/usr/bin/env python3
"""The tables of docs/hopfield.md about trained codes, as Markdown.

    tools/hopfield_tables.py TERCEL NETS DATA... [--pictures 5000] [--settled-pictures 1000]

NETS: a folder of NAME-fc-SEED.onnx and NAME-codes-SEED.onnx, as python/examples/mnist_codes.py writes them. DATA: NAME=FOLDER of IDX
files, in the order of the table. Every network is given to `tercel hopfield compare`, on all 10,000 test pictures; means over the
seeds there are, with the deviation behind them. Reports are kept in NETS as NAME-HEAD-SEED.json, and taken from there when they are newer
than the network.
"""
import argparse
import json
import pathlib
import statistics
import subprocess

ROWS = [  # label, head of the network, row of the comparison
    ("the CNN's fully connected layers, f32", "fc", "fully connected, f32"),
    ("the same, int8", "fc", "fully connected, int8"),
    ("**trained codes, memory**", "codes", "trained code words, memory"),
    ("trained codes, settled by pseudo-inverse", "codes", "trained code words, settled by pseudo_inverse"),
    ("trained codes, settled by Storkey", "codes", "trained code words, settled by storkey"),
    ("trained codes, settled by Hebb", "codes", "trained code words, settled by hebb"),
    ("post hoc: linear (ridge) on the bits, int8", "fc", "linear on the bits, int8"),
    ("post hoc: signs of its weights", "fc", "linear on the bits, signs of weights"),
    ("post hoc: nearest class mean, f32", "fc", "nearest class mean, f32"),
    ("post hoc: Hamming, 1 pattern a class", "fc", "Hamming, nearest of 1 a class"),
    ("post hoc: Hamming, 16 patterns a class", "fc", "Hamming, nearest of 16 a class"),
    ("post hoc: softmax memory, 16 a class", "fc", "softmax memory, 16 a class"),
    ("post hoc: Hebb, one network", "fc", "hebb, 1 a class, one network"),
    ("post hoc: Hebb, 5 networks (genetic)", "fc", "hebb, 1 a class, 5 networks (genetic)"),
    ("post hoc: pseudo-inverse, one network", "fc", "pseudo_inverse, 1 a class, one network"),
]

# Words that choose those rows and few others.
HEADS = {"codes": ["trained code words"],
         "fc": ["fully connected", "linear on", "class mean", "Hamming", "softmax", "hebb, 1", "pseudo_inverse, 1"]}
CUTS = {"codes": [], "fc": ["--cut", "/9/Relu"]}  # behind the last batch normalization: bits of zero need both signs


def report(tercel: str, model: pathlib.Path, data: str, options: list) -> dict:
    head, kept = model.stem.rsplit("-", 2)[1], model.with_suffix(".json")
    if not kept.exists() or kept.stat().st_mtime < model.stat().st_mtime:
        out = subprocess.run([tercel, "hopfield", "compare", model, "--data", data, "--seeds", "1", "--json",
                              "--heads", ",".join(HEADS[head]), *CUTS[head], *options],
                             check=True, capture_output=True, text=True).stdout
        kept.write_text(out)
    return json.loads(kept.read_text())


def size(number: float) -> str:
    return f"{number:.0f} B" if number < 1000 else f"{number / 1000:.1f} kB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tercel")
    parser.add_argument("nets", type=pathlib.Path)
    parser.add_argument("data", nargs="+", help="NAME=FOLDER")
    parser.add_argument("--pictures", default="5000", help="to fit the heads of the rows 'post hoc' on")
    parser.add_argument("--settled-pictures", default="1000", help="to test slow heads on")
    a = parser.parse_args()
    options = ["--pictures", a.pictures, "--settled-pictures", a.settled_pictures]
    sets = dict(one.split("=", 1) for one in a.data)
    found, seeds, settling = {}, {}, {}
    for name, folder in sets.items():
        for model in sorted(a.nets.glob(f"{name}-*-*.onnx")):
            head, seed = model.stem.removeprefix(name + "-").rsplit("-", 1)
            seeds.setdefault((name, head), []).append(seed)
            for row in report(a.tercel, model, folder, options)["rows"]:
                found.setdefault((name, head, row["head"]), []).append(row)
                if "settling" in row and head == "codes" and row["head"].startswith("trained"):
                    settling.setdefault((name, row["head"]), []).append(row["settling"])
    print("| head | " + " | ".join(sets) + " | bytes |\n|" + "---|" * (len(sets) + 2))
    for label, head, row in ROWS:
        cells, size_of = [], "-"
        for name in sets:
            rows = found.get((name, head, row), [])
            values = [100 * one["accuracy"] for one in rows]
            spread = f" ({statistics.stdev(values):.2f})" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.2f}{spread}" if values else "-")
            size_of = size(rows[0]["bytes"]) if rows else size_of
        print(f"| {label} | " + " | ".join(cells) + f" | {size_of} |")
    print("\nseeds: " + ", ".join(f"{name} {head} {len(all_)}" for (name, head), all_ in seeds.items()))
    for (name, row), all_ in settling.items():
        mean = {key: statistics.mean(one[key] for one in all_) for key in all_[0]}
        print(f"{name}, {row}: right to wrong {100 * mean['right_to_wrong']:.2f} %, wrong to right {100 * mean['wrong_to_right']:.2f} %, "
              f"no stored pattern {100 * mean['fell_back']:.2f} %, {mean['sweeps']:.2f} sweeps")


if __name__ == "__main__":
    main()
