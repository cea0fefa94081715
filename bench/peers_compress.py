#!/usr/bin/env python3
"""Weight codecs side by side: bytes at equal answers. Called through ./dev peers compress [NETS...].

Every point of every codec is judged by the same runtime on the same pictures, none of which was used for calibration. Tercel's bytes are
whole files with the graph; NNCodec's and int8's are parameters only; zstd and xz pack the ONNX file. Sizes are compared at equal
KL divergence of the answers, and at equal agreement (same most likely class as the network as it was). Agreement on some hundred
pictures is noisy, so it is smoothed: over all points of a network, the share that disagrees is fitted as a power of KL, and the KL at
which that power is 1 % or 3 % stands for 99 % and 97 %. Between points, log size is piecewise linear in log KL.
"""
import argparse
import json
import lzma
import os
import pathlib
import resource
import subprocess
import tempfile

import numpy as np
import onnx

import efficientnet_lite0
import nncodec_peer
from compress_nets import NETS, Judge, Net, Pictures, Weights

ROOT = pathlib.Path(__file__).resolve().parent.parent
PARTS = ("lossless", "int8", "nncodec", "tercel")
NNCODEC_SHARE = 0.75  # NNCodec is judged around this part of Tercel's ratios, where its answers are as good


class Bench:
    def __init__(self, net: Net, data: pathlib.Path, folder: pathlib.Path, program: str):
        self.net, self.program, self.folder = net, program, folder
        self.path = next(p for p in (data / net.model, folder / net.model) if p.exists())
        self.weights = Weights(onnx.load(self.path))
        self.pictures = Pictures(data, folder / "pictures", net)
        self.judge = Judge(self.weights.model, self.pictures)

    def keep(self, part: str, again: bool) -> None:
        """Measures a part, unless an earlier call did: NNCodec does not change when Tercel does."""
        path = self.folder / f"{self.net.name}.{part}.json"
        if again or not path.exists():
            path.write_text(json.dumps(getattr(self, part)(), indent=1))

    # -- without a knob

    def lossless(self) -> dict:
        raw = self.path.read_bytes()
        return {"onnx": len(raw), "zstd -19": len(zstd(raw)), "xz -9e": len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)),
                "parameters": self.weights.count}

    def int8(self) -> dict:
        levels, decoded, kept = [], {}, []
        for name, array in self.weights.arrays.items():
            if array.ndim == 1:
                kept.append(array.tobytes())
                continue
            step = max(float(np.abs(array).max()), 1e-30) / 127
            q = np.clip(np.rint(array / step), -127, 127).astype(np.int8)
            levels.append(q.tobytes())
            kept.append(np.float32(step).tobytes())
            decoded[name] = (q * np.float32(step)).astype(np.float32)
        return self.judge.point(self.weights.model_with(decoded), len(zstd(b"".join(levels + kept))))

    # -- with one

    def nncodec(self) -> dict:
        targets = [NNCODEC_SHARE * ratio for ratio in self.net.ratios]
        fronts = {variant: self._nncodec_front(variant, targets[::2]) for variant in nncodec_peer.VARIANTS}
        best = min(fronts, key=lambda variant: size_at(fronts[variant], 0.01))
        print(f"  NNCodec at KL 0.01: {', '.join(f'{v} {size_at(f, 0.01):.0f}' for v, f in fronts.items())}", flush=True)
        return {"variant": best, "points": by_size(fronts[best] + self._nncodec_front(best, targets[1::2])), "others": fronts}

    def _nncodec_front(self, variant: str, ratios: list) -> list:
        points = []
        for ratio in ratios:
            coded, qp = self._nncodec_near(variant, 32 / ratio)
            point = self.judge.point(self.weights.model_with(coded.arrays), len(coded.stream))
            points.append(point | {"qp": qp, "encode_seconds": coded.encode_seconds, "decode_seconds": coded.decode_seconds})
            print(f"  NNCodec {variant} qp {qp}: {summary(point)}", flush=True)
        return points

    def _nncodec_near(self, variant: str, bits: float):
        """The stream nearest to so many bits a weight: four steps of qp halve the step, which adds a bit."""
        qp, seen = -24, {}
        while qp not in seen:
            seen[qp] = nncodec_peer.Coded(self.weights.arrays, qp, variant)
            have = 8 * len(seen[qp].stream) / self.weights.count
            qp = int(np.clip(qp + round(4 * (have - bits)), -80, 16))
        return seen[qp], qp

    def tercel(self) -> dict:
        points = []
        for ratio in self.net.ratios:
            with tempfile.TemporaryDirectory() as scratch:
                file, back = f"{scratch}/a.tercel", f"{scratch}/a.onnx"
                report, encode = self._run("compress", str(self.path), "--calibrate", str(self.pictures.calibration), *self.net.input.flags,
                                           "--calibration-pictures", str(self.net.calibration), "--tuning-pictures", "32",
                                           "--judging-pictures", "1", "--threads", "1", "--target-ratio", str(ratio), "--json", "-o", file)
                _, decode = self._run("decompress", file, "-o", back, "--json")
                size = os.path.getsize(file)
                point = self.judge.point(onnx.load(back), size)
            report = json.loads(report)
            point |= {"ratio_asked": ratio, "graph_bytes": report["graph_bytes"], "weighed_by": report["weighed_by"],
                      "encode_seconds": encode, "decode_seconds": decode}
            points.append(point)
            print(f"  Tercel {ratio}: {summary(point)}", flush=True)
        return {"version": version(), "points": by_size(points)}

    def _run(self, *words: str) -> tuple:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        one = {min(os.sched_getaffinity(0))}  # Tercel starts no more threads than it may use processors
        done = subprocess.run([self.program, *words], check=True, stdout=subprocess.PIPE, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, one))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-19", "--stdout", "--quiet"], input=data, stdout=subprocess.PIPE, check=True).stdout


def version() -> str:
    return subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True).stdout.strip()


def summary(point: dict) -> str:
    return f"{point['bytes']} bytes, agree {100 * point['agreement']:.1f} %, KL {point['kl']:.5f}, top-1 {100 * point['top1']:.1f} %"


def by_size(points: list) -> list:
    return sorted(points, key=lambda point: point["bytes"])


def size_at(points: list, kl: float) -> float:
    """Bytes at a divergence; beyond the points along the line of the nearest two."""
    kls, sizes = (np.log([point[key] for point in by_size(points)]) for key in ("kl", "bytes"))
    order = np.argsort(kls)
    kls, sizes, x = kls[order], sizes[order], np.log(kl)
    i = int(np.clip(np.searchsorted(kls, x) - 1, 0, len(kls) - 2))
    return float(np.exp(sizes[i] + (x - kls[i]) * (sizes[i + 1] - sizes[i]) / (kls[i + 1] - kls[i])))


def kl_at_agreement(points: list, agreement: float) -> float:
    """KL at which the fitted share of disagreement is 1 - agreement; half a picture stands for none."""
    x = np.log([p["kl"] for p in points])
    wrong = np.array([max(p["pictures"] * (1 - p["agreement"]), 0.5) for p in points])
    y = np.log(wrong / np.array([p["pictures"] for p in points]))
    slope, start = np.polyfit(x, y, 1, w=np.sqrt(wrong))  # the log of a count has variance 1 / count
    return float(np.exp((np.log(1 - agreement) - start) / slope))


def compare(result: dict) -> list:
    tercel, nncodec = result["tercel"]["points"], result["nncodec"]["points"]
    rows = [("KL 0.01", 0.01), ("KL 0.03", 0.03)]
    rows += [(f"{a} % agree", kl_at_agreement(tercel + nncodec, a / 100)) for a in (99, 97)]
    raw = 4 * result["lossless"]["parameters"]
    compared = []
    for what, kl in rows:
        ours, theirs = size_at(tercel, kl), size_at(nncodec, kl)
        reached = all(min(p["kl"] for p in front) <= kl <= max(p["kl"] for p in front) for front in (tercel, nncodec))
        compared.append({"at": what, "kl": kl, "tercel": ours, "nncodec": theirs, "tercel_ratio": raw / ours, "nncodec_ratio": raw / theirs,
                         "saving": 1 - ours / theirs, "within_points": reached})
    return compared


def tables(results: dict) -> str:
    lines = ["| network | at | NNCodec bytes | ratio | Tercel bytes | ratio | Tercel saves |", "|---|---|---|---|---|---|---|"]
    savings = {}
    for name, result in results.items():
        for row in result["compared"]:
            mark = "" if row["within_points"] else " (beyond the points)"
            lines.append(f"| {name} | {row['at']}{mark} | {row['nncodec']:.0f} | {row['nncodec_ratio']:.2f} | {row['tercel']:.0f} | "
                         f"{row['tercel_ratio']:.2f} | {100 * row['saving']:.1f} % |")
            savings.setdefault(row["at"], []).append(row["saving"])
    lines += [f"| mean of {len(s)} | {at} | | | | | {100 * np.mean(s):.1f} % |" for at, s in savings.items()]
    lines += ["", "| network | ONNX bytes | zstd -19 | xz -9e | int8 + zstd (agree, KL) | NNCodec decodes, M weights/s | Tercel |",
              "|---|---|---|---|---|---|---|"]
    for name, result in results.items():
        plain, int8 = result["lossless"], result["int8"]
        speed = [plain["parameters"] / 1e6 / np.median([p["decode_seconds"] for p in result[who]["points"]]) for who in ("nncodec", "tercel")]
        lines.append(f"| {name} | {plain['onnx']} | {plain['zstd -19']} | {plain['xz -9e']} | {int8['bytes']} "
                     f"({100 * int8['agreement']:.1f} %, {int8['kl']:.4f}) | {speed[0]:.1f} ({result['nncodec']['variant']}) | {speed[1]:.1f} |")
    lines += ["", "| network | codec | bytes | ratio | agree % | KL | top-1 % (before) |", "|---|---|---|---|---|---|---|"]
    for name, result in results.items():
        for who in ("nncodec", "tercel"):
            for p in result[who]["points"]:
                lines.append(f"| {name} | {who} | {p['bytes']} | {4 * result['lossless']['parameters'] / p['bytes']:.2f} | "
                             f"{100 * p['agreement']:.1f} | {p['kl']:.5f} | {100 * p['top1']:.1f} ({100 * p['top1_before']:.1f}) |")
    return "\n".join(lines)


def fetch(folder: pathlib.Path) -> dict:
    """Models that come out of Python packages, unpacked by peers_compress.sh; says why one is missing."""
    missing = {}
    if not (folder / NETS["vgg16_cifar"].model).exists():
        missing["vgg16_cifar"] = f"wants an hour of training: python/examples/cifar10_vgg.py, to {folder / NETS['vgg16_cifar'].model}"
    for name, pattern in (("efficientnet_lite0", "**/efficientnet-lite0-*.pth"), ("vgg16", "**/*vgg16*.onnx")):
        path = folder / NETS[name].model
        found = sorted((folder / "packages").glob(pattern))
        if path.exists():
            continue
        if not found:
            missing[name] = "its package could not be fetched, or does not hold the weights"
        elif name == "vgg16":
            model = onnx.load(found[0])  # which does not say what it wants of a picture
            onnx.helper.set_model_props(model, {f"tercel.preprocess.{key}": value for key, value in (
                ("layout", "hwc"), ("width", "240"), ("height", "240"), ("fit", "stretch"), ("interpolation", "bicubic"),
                ("mean", "0"), ("stddev", "1"))})
            onnx.save(model, path)
        else:
            efficientnet_lite0.export(found[0], path)
    return missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", help=f"of {', '.join(NETS)}; all of them")
    parser.add_argument("--tercel", default=str(ROOT / "build/release/tercel"))
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/peers-compress", help="for points, pictures and models")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS, help="measure only these")
    parser.add_argument("--again", nargs="*", default=["tercel"], choices=PARTS, help="measured anew; the others are kept from earlier calls")
    parser.add_argument("--table", action="store_true", help="only the table of what is there")
    args = parser.parse_args()
    data = pathlib.Path(os.environ["TERCEL_DATA"])
    args.folder.mkdir(parents=True, exist_ok=True)
    missing = {} if args.table else fetch(args.folder)
    results = {}
    for name in args.nets or NETS:
        if name in missing:
            print(f"{name}: {missing[name]}")
            continue
        if not args.table:
            print(name, NETS[name].note, flush=True)
            bench = Bench(NETS[name], data, args.folder, args.tercel)
            for part in args.parts:
                bench.keep(part, part in args.again)
        result = {part: json.loads(p.read_text()) for part in PARTS if (p := args.folder / f"{name}.{part}.json").exists()}
        if len(result) == len(PARTS):
            results[name] = result | {"compared": compare(result)}
    text = tables(results) if results else "no network measured"
    (args.folder / "peers_compress.txt").write_text(text + "\n")
    (args.folder / "peers_compress.json").write_text(json.dumps(results, indent=1))
    print(text)


if __name__ == "__main__":
    main()
