#!/usr/bin/env python3
"""Tercel beside ONNX Runtime, OpenVINO, ncnn and LiteRT: the same networks, one run of each in turn, so that a slow moment of the
machine hits all of them.

    bench/peers.py [--quick] [--precisions fp32 int8 bf16] [--threads 1 2] [--batches 1] [--turns 21] [--json FILE] [NETS...]

NETS: names that bench/make_nets.py knows (seeded random weights), or ONNX files. Every engine is a process of its own. All answers
are compared before anything is timed: fp32 within 1e-3 of the largest number, bf16, which rounds on the way, within a tenth and with the
same largest class or one that ties. An int8 file says what its answer is: ONNX Runtime reading it without optimizations. Tercel has to
come within a tenth; a peer that does not is timed all the same, and its error is said (kernels that saturate 16 bits, for instance).
Between two runs there is a pause, for threads that spin. Medians over the turns; the ratio is the median over turns of Tercel's time over
that of the peer with the best median, with its 10 % and 90 % quantiles. int8 is one file of 8-bit levels (QuantizeLinear and DequantizeLinear, u8 activations, i8 weights for each channel) by ONNX Runtime's static
quantizer from three inputs. LiteRT has its own file of MobileNetV2 (TERCEL_DATA), of other weights: its time is compared, its answer
is not. The last line is a verdict, and the exit status 1 where a ratio misses its target.
"""
import argparse
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime

from engine_process import EngineProcess, PeerProcess, TercelProcess

ROOT = pathlib.Path(__file__).resolve().parent.parent
NETS = ROOT / "build/nets"
ALL = ["alexnet", "vgg16", "resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny", "vit_tiny_16",
       "deit_small_16", "vit_b_16", "swin_t"]
QUICK = ["resnet50", "vgg16", "vit_tiny_16"]
# Tercel / best peer, to be reached.
TARGETS = {"fp32": dict(alexnet=.93, vgg16=.85, resnet18=.85, resnet50=.87, mobilenet_v2=.90, efficientnet_b0=.90, vit_tiny_16=.88,
                        deit_small_16=.93, vit_b_16=.95, swin_t=.90),
           "int8": dict(alexnet=.90, vgg16=.90, resnet18=.90, resnet50=.93, mobilenet_v2=.90, efficientnet_b0=.95, vit_tiny_16=.90,
                        deit_small_16=.90, vit_b_16=.92),
           "bf16": dict(alexnet=.88, vgg16=.70, resnet18=.80, resnet50=.90, mobilenet_v2=.85, efficientnet_b0=.90, vit_tiny_16=.85,
                        deit_small_16=.85, vit_b_16=.90)}
PAUSE = 0.02  # seconds


def input_for(model: str, batch: int = 1) -> np.ndarray:
    """Seeded numbers for the model's input, axes that are not fixed being 1, the first of them the batch."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    shape = [d if isinstance(d, int) else 1 for d in session.get_inputs()[0].shape]
    shape[0] = batch
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def label_of(model: str) -> str:
    net = pathlib.Path(model)
    return net.parent.name if net.stem == "model" else net.stem


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def made(name: str) -> str:
    """An ONNX file: as given, or exported."""
    if name.endswith(".onnx"):
        return name
    path = NETS / f"{name}.onnx"
    if not path.exists():
        subprocess.run(["/usr/bin/python3", str(ROOT / "bench/make_nets.py"), str(NETS), name], check=True, stdout=subprocess.DEVNULL)
    return str(path)


def quantized(model: str) -> str:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    path = pathlib.Path(model).with_suffix(".int8.onnx")
    if path.exists():
        return str(path)

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
            like = input_for(model)
            rng = np.random.default_rng(2)
            self.feeds = iter([{session.get_inputs()[0].name: rng.uniform(-1, 1, like.shape).astype(np.float32)} for _ in range(3)])

        def get_next(self) -> dict | None:
            return next(self.feeds, None)

    with tempfile.TemporaryDirectory() as folder:
        prepared, partial = f"{folder}/prepared.onnx", path.with_suffix(".partial")
        quant_pre_process(model, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, partial, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8)
        partial.rename(path)
    return str(path)


def for_ncnn(model: str) -> str | None:
    path = pathlib.Path(model).with_suffix(".ncnn.param")
    if not path.exists():
        shape = ",".join(map(str, input_for(model).shape))
        with tempfile.TemporaryDirectory() as folder:
            kept = pathlib.Path(folder) / "net.onnx"
            kept.symlink_to(pathlib.Path(model).resolve())
            import pnnx
            program = pathlib.Path(sys.executable).parent / "pnnx"
            command = [str(program) if program.exists() else pnnx.EXEC_PATH, str(kept), f"inputshape=[{shape}]", "fp16=0",
                       f"ncnnparam={folder}/net.param", f"ncnnbin={folder}/net.bin"]
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
            if not pathlib.Path(f"{folder}/net.param").exists():
                return None
            path.with_suffix(".bin").write_bytes(pathlib.Path(f"{folder}/net.bin").read_bytes())
            path.write_bytes(pathlib.Path(f"{folder}/net.param").read_bytes())
    return str(path)


def cpu_has(feature: str) -> bool:
    return f" {feature} " in pathlib.Path("/proc/cpuinfo").read_text().replace("\n", " ")


def peers_of(label: str, model: str, precision: str, batch: int) -> list[tuple[str, str]]:
    """(engine of peer_process.py, its file)."""
    if precision == "bf16":
        return [("openvino-bf16", model)] if has("openvino") else []
    peers = [("onnxruntime", model)] + ([("openvino", model)] if has("openvino") else [])
    if precision == "fp32" and batch == 1 and has("ncnn") and has("pnnx"):
        file = for_ncnn(model)
        peers += [("ncnn", file)] if file else []
    tflite = pathlib.Path(os.environ.get("TERCEL_DATA", "/none")) / "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"
    if precision == "int8" and batch == 1 and label.startswith("mobilenet_v2") and has("ai_edge_litert") and tflite.exists():
        peers.append(("litert", str(tflite)))
    return peers


def why_wrong(answer: np.ndarray, right: np.ndarray, precision: str) -> str:
    """Why an answer is not the right one; empty where it is."""
    if answer.shape != right.shape:
        return f"shape {answer.shape}, not {right.shape}"
    largest = np.abs(right).max()
    error = np.abs(answer - right).max() / largest
    if precision == "fp32":
        return "" if error < 1e-3 else f"differs by {error:.2g} of the largest number"
    likely = np.take_along_axis(right, answer.argmax(-1)[..., None], -1)[..., 0]
    if error < 0.1 and (likely >= right.max(-1) - 0.05 * largest).all():
        return ""
    return f"differs by {error:.2g} of the largest number"


def quantile(values: list, share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(name: str, precision: str, batch: int, threads: int, turns: int) -> dict:
    model = made(name)
    label = label_of(model)
    file = quantized(model) if precision == "int8" else model
    data = input_for(model, batch)
    with tempfile.TemporaryDirectory() as folder:
        engines: dict[str, EngineProcess] = {}
        refused = {}

        def start(engine: str, begin) -> None:
            place = pathlib.Path(folder) / engine
            place.mkdir()
            try:
                engines[engine] = begin(place)
            except RuntimeError as error:
                refused[engine] = str(error)
        words = ("precision=bf16",) if precision == "bf16" else ()
        start("tercel", lambda place: TercelProcess(file, threads, data, place, words))
        for engine, its in peers_of(label, file, precision, batch):
            start(engine, lambda place, e=engine, f=its: PeerProcess(e, f, threads, data, place))
        if "tercel" not in engines:
            sys.exit(f"{label}: {refused['tercel']}")
        place = pathlib.Path(folder) / "right"
        place.mkdir()
        judge = PeerProcess("onnxruntime-plain", file, threads, data, place)
        right = judge.answer
        judge.close()
        for engine in list(engines):
            wrong = "" if engine == "litert" else why_wrong(engines[engine].answer, right, precision)
            if wrong and engine == "tercel":
                sys.exit(f"{label} {precision}: Tercel's answer {wrong}; nothing was timed")
            if wrong:
                refused[engine] = f"its answer {wrong}"
                if precision != "int8":
                    engines.pop(engine).close()
        times = {engine: [] for engine in engines}
        for turn in range(turns + 2):
            for engine, process in engines.items():
                ms = process.run()
                time.sleep(PAUSE)
                if turn >= 2:
                    times[engine].append(ms)
        for process in engines.values():
            process.close()
    medians = {engine: statistics.median(ms) for engine, ms in times.items()}
    others = {engine: ms for engine, ms in medians.items() if engine != "tercel"}
    row = {"network": label, "precision": precision, "batch": batch, "threads": threads, "ms": medians, "refused": refused,
           "spread": {e: [quantile(ms, .1), quantile(ms, .9)] for e, ms in times.items()},
           "load_ms": {e: p.load_ms for e, p in engines.items()}, "load_mib": {e: p.load_mib for e, p in engines.items()},
           "error": float(np.abs(engines["tercel"].answer - right).max() / np.abs(right).max())}
    if others:
        best = min(others, key=others.get)
        ratios = [a / b for a, b in zip(times["tercel"], times[best])]
        row |= {"best": best, "ratio": statistics.median(ratios), "ratio_spread": [quantile(ratios, .1), quantile(ratios, .9)],
                "target": TARGETS[precision].get(label) if batch == 1 else 1.0}
    return row


HEAD = f"{'network':20} {'':5} {'batch':>5} {'threads':>7} {'Tercel':>9} {'ORT':>9} {'OpenVINO':>9} {'ncnn':>9} {'LiteRT':>9} {'ratio':>6} {'10 % .. 90 %':>14} {'target':>6}"


def line_of(row: dict) -> str:
    def ms(engine: str) -> str:
        found = [v for k, v in row["ms"].items() if k.startswith(engine)]
        return f"{found[0]:9.2f}" if found else f"{'-':>9}"
    ratio = f"{row['ratio']:6.2f} ({row['ratio_spread'][0]:.2f} .. {row['ratio_spread'][1]:.2f}) {row['target'] or '':>6}" if "ratio" in row else ""
    return (f"{row['network']:20} {row['precision']:5} {row['batch']:5} {row['threads']:7} "
            + " ".join(ms(engine) for engine in ("tercel", "onnxruntime", "openvino", "ncnn", "litert")) + " " + ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("nets", nargs="*")
    parser.add_argument("--quick", action="store_true", help="ResNet-50, VGG-16 and ViT-Ti, fp32")
    parser.add_argument("--precisions", nargs="+", choices=TARGETS, default=None)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--batches", nargs="+", type=int, default=[1])
    parser.add_argument("--turns", type=int, default=21)
    parser.add_argument("--json", type=pathlib.Path)
    a = parser.parse_args()
    nets = a.nets or (QUICK if a.quick else ALL)
    precisions = a.precisions or (["fp32"] if a.quick else ["fp32", "int8"])
    versions = {name: importlib.metadata.version(name) for name in ("onnxruntime", "openvino", "ncnn", "ai-edge-litert")
                if has(name.replace("-", "_"))}
    cpu = next(line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    print(f"{cpu}, {platform.system()}; " + ", ".join(f"{k} {v}" for k, v in versions.items()) + f"; {a.turns} turns, times in ms")
    print(HEAD, flush=True)
    rows = []
    for precision in precisions:
        if precision == "bf16" and not cpu_has("avx512_bf16"):
            print("bf16: this processor has no bf16 products; nothing to compare")
            continue
        for net in nets:
            for batch in a.batches:
                for threads in a.threads:
                    rows.append(measure(net, precision, batch, threads, a.turns))
                    print(line_of(rows[-1]), flush=True)
                    for engine, why in rows[-1]["refused"].items():
                        print(f"    {engine}: {why}", file=sys.stderr)
    if a.json:
        a.json.parent.mkdir(parents=True, exist_ok=True)
        a.json.write_text(json.dumps({"cpu": cpu, "versions": versions, "turns": a.turns, "rows": rows}, indent=1) + "\n")
    judged = [row for row in rows if row.get("target")]
    missed = [row for row in judged if row["ratio"] > row["target"]]
    ahead = sum(row["ratio"] < 1 for row in rows if "ratio" in row)
    print(f"Tercel is the fastest in {ahead} of {len(rows)} rows; {len(judged) - len(missed)} of {len(judged)} targets are reached"
          + ("." if not missed else "; missed: " + ", ".join(f"{r['network']} {r['precision']} on {r['threads']}" for r in missed) + "."))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
