#!/usr/bin/env python3
"""Does `tercel compress --max-drop` hold what it promises? Seeds x numbers of labelled pictures x networks, each file
judged on pictures that its making never saw.

    python3 bench/max_drop_trials.py FOLDER TERCEL [--nets resnet20 resnet56 squeezenet] [--seeds 20]
        [--pictures 40 100 250] [--judged 1000] [--max-drop 0.3] [--effort 2] [--threads 1]

FOLDER is laid out as TERCEL_DATA: models/NAME/model.onnx, cifar10/test.tar.gz, imagenet500. A run is finished as a line
of FOLDER-independent JSON in --log, which a later run of the same command goes on from.
"""
import argparse
import collections
import json
import math
import pathlib
import random
import subprocess
import tarfile
import tempfile

NETS = {  # model, pictures, preprocessing
    "resnet20": ("resnet20_cifar10", "cifar10", "cifar"),
    "resnet56": ("resnet56_cifar10", "cifar10", "cifar"),
    "squeezenet": ("squeezenet1_1", "imagenet500", "imagenet"),
    "mobilenet": ("mobilenet_v2", "imagenet500", "inception"),
}


def labelled_pictures(data: pathlib.Path, name: str, unpacked: pathlib.Path) -> list:
    """(file, class) of each."""
    if name == "cifar10":
        if not unpacked.exists():
            with tarfile.open(data / "cifar10/test.tar.gz") as archive:
                archive.extractall(unpacked)
        files = sorted(unpacked.rglob("*.jpg"))
        classes = sorted({file.parent.name for file in files})
        return [(file, classes.index(file.parent.name)) for file in files]
    lines = (data / name / "labels.tsv").read_text().splitlines()
    return [(data / name / line.split("\t")[0], int(line.split("\t")[1])) for line in lines]


def folder_of(pictures: list, folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir()
    with open(folder / "labels.tsv", "w") as labels:
        for i, (file, label) in enumerate(pictures):
            (folder / f"{i:05}{file.suffix}").symlink_to(file.resolve())
            labels.write(f"{i:05}{file.suffix}\t{label}\n")
    return folder


def classes_by(tercel: str, model: pathlib.Path, pictures: list, preset: str, threads: int, work: pathlib.Path) -> dict:
    """The class that a network gives each picture, by file."""
    with tempfile.TemporaryDirectory(dir=work) as made:
        folder = folder_of(pictures, pathlib.Path(made) / "pictures")
        out = subprocess.run([tercel, "classify", model, folder, "--preprocess", preset, "--top", "1", "--json",
                              "--threads", str(threads)], check=True, capture_output=True, text=True).stdout
    answers = {pathlib.Path(p["picture"]).name: p["classes"][0]["class"] for p in json.loads(out)}
    return {file: answers[f"{i:05}{file.suffix}"] for i, (file, _) in enumerate(pictures)}


def one_run(args, net: str, count: int, seed: int, pictures: list, reference: dict, work: pathlib.Path) -> dict:
    name, _, preset = NETS[net]
    order = list(range(len(pictures)))
    random.Random(1000 * seed + count).shuffle(order)
    given = [pictures[i] for i in order[:count]]
    judged = [pictures[i] for i in order[count:count + args.judged]]
    run = {"net": net, "pictures": count, "seed": seed, "max_drop": args.max_drop}
    with tempfile.TemporaryDirectory(dir=work) as made:
        folder, small = folder_of(given, pathlib.Path(made) / "given"), pathlib.Path(made) / "m.tercel"
        done = subprocess.run([args.tercel, "compress", args.data / "models" / name / "model.onnx", "--calibrate", folder,
                               "--preprocess", preset, "--max-drop", str(args.max_drop), "--effort", str(args.effort),
                               "--seed", str(seed), "--threads", str(args.threads), "-o", small, "--json"],
                              capture_output=True, text=True)
        if done.returncode == 2 and ("cannot be promised" in done.stderr or "too few to promise" in done.stderr):
            return run | {"refused": done.stderr.strip()}
        done.check_returncode()
        report = json.loads(done.stdout)
        missing = [p for p in judged if p[0] not in reference]
        if missing:
            reference.update(classes_by(args.tercel, args.data / "models" / name / "model.onnx", missing, preset,
                                        args.threads, work))
        after = classes_by(args.tercel, small, judged, preset, args.threads, work)
    lost = [(reference[file] == label) - (after[file] == label) for file, label in judged]
    n, mean = len(lost), sum(lost) / len(lost)
    return run | {"judged": n, "drop": 100 * mean,
                  "error": 100 * math.sqrt((sum(x * x for x in lost) / n - mean * mean) / n),
                  "changed": 100 * sum(reference[file] != after[file] for file, _ in judged) / n,
                  "ratio": report["result"]["ratio"], "promise": report["promise"]}


def table(runs: list):
    cells = collections.defaultdict(list)
    for run in runs:
        cells[run["net"], run["pictures"]].append(run)
    print("| network | pictures | runs | refused | missed | drop, mean | drop, most | class changed | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for (net, pictures), of_cell in cells.items():
        made = [run for run in of_cell if "drop" in run]
        missed = [run for run in made if run["drop"] > run["max_drop"] + run["error"]]
        mean = lambda key: sum(run[key] for run in made) / max(len(made), 1)
        most = max((run["drop"] for run in made), default=0)
        print(f"| {net} | {pictures} | {len(of_cell)} | {len(of_cell) - len(made)} | {len(missed)} | {mean('drop'):.2f} | "
              f"{most:.2f} | {mean('changed'):.2f} % | {mean('ratio'):.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("tercel", type=lambda p: str(pathlib.Path(p).resolve()))
    parser.add_argument("--nets", nargs="+", choices=NETS, default=["resnet20", "resnet56", "squeezenet"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--pictures", nargs="+", type=int, default=[40, 100, 250])
    parser.add_argument("--judged", type=int, default=1000)
    parser.add_argument("--max-drop", type=float, default=0.3)
    parser.add_argument("--effort", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", type=pathlib.Path, default=pathlib.Path("max_drop_trials.jsonl"))
    args = parser.parse_args()
    runs = [json.loads(line) for line in args.log.read_text().splitlines()] if args.log.exists() else []
    finished = {(run["net"], run["pictures"], run["seed"]) for run in runs}
    references = collections.defaultdict(dict)
    with tempfile.TemporaryDirectory() as made, open(args.log, "a") as log:
        work = pathlib.Path(made)
        for seed in range(1, args.seeds + 1):
            for net in args.nets:
                pictures = labelled_pictures(args.data, NETS[net][1], work / NETS[net][1])
                for count in args.pictures:
                    if (net, count, seed) in finished:
                        continue
                    runs.append(one_run(args, net, count, seed, pictures, references[net], work))
                    log.write(json.dumps(runs[-1]) + "\n")
                    log.flush()
    table(runs)


if __name__ == "__main__":
    main()
