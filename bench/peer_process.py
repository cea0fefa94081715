#!/usr/bin/env python3
"""A peer of Tercel in a process of its own, with peer_tercel's words: loads, prints the load time in ms and the most memory so far
in MiB, writes the answer, then answers every line on stdin with the time of one run in ms.

    peer_process.py onnxruntime|onnxruntime-plain|openvino|openvino-bf16|ncnn|litert MODEL THREADS INPUT.npy OUTPUT.npy

onnxruntime-plain reads the graph as it stands: levels are floats between QuantizeLinear and DequantizeLinear. MODEL: an ONNX file; for
ncnn the .param file beside its .bin, for litert a .tflite file.
"""
import pathlib
import re
import sys
import time
from typing import Callable

import numpy as np


def onnxruntime(model: str, threads: int, optimized: bool = True) -> Callable:
    import onnxruntime as ort
    options = ort.SessionOptions()
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Spinning threads would take the processors away from whoever is measured next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def openvino(model: str, threads: int, precision: str = "f32") -> Callable:
    import openvino as ov
    core = ov.Core()
    found = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    network = core.read_model(model)
    compiled = None

    def run(x: np.ndarray) -> np.ndarray:
        nonlocal compiled
        if compiled is None:
            network.reshape(list(x.shape))
            compiled = core.compile_model(network, "CPU", found).create_infer_request()
        return next(iter(compiled.infer({0: x}, share_inputs=True).values()))
    return run


def ncnn(model: str, threads: int) -> Callable:
    import ncnn as library
    net = library.Net()
    net.opt.num_threads = threads
    for reduced in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{reduced}", False)
    if net.load_param(model) != 0 or net.load_model(str(pathlib.Path(model).with_suffix(".bin"))) != 0:
        sys.exit(f"{model}: ncnn does not load it")

    def run(x: np.ndarray) -> np.ndarray:
        with net.create_extractor() as extractor:
            extractor.input("in0", library.Mat(x[0]).clone())
            return np.array(extractor.extract("out0")[1])[None]
    return run


def litert(model: str, threads: int) -> Callable:
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(model, num_threads=threads)
    interpreter.allocate_tensors()
    at = interpreter.get_input_details()[0]

    def run(x: np.ndarray) -> np.ndarray:
        x = x.transpose(0, 2, 3, 1)
        scale, zero = at["quantization"]
        if at["dtype"] != np.float32:
            ends = np.iinfo(at["dtype"])
            x = np.clip(np.round(x / scale) + zero, ends.min, ends.max)
        interpreter.set_tensor(at["index"], x.astype(at["dtype"]))
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return run


ENGINES = {"onnxruntime": onnxruntime, "onnxruntime-plain": lambda m, t: onnxruntime(m, t, False), "openvino": openvino,
           "openvino-bf16": lambda m, t: openvino(m, t, "bf16"), "ncnn": ncnn, "litert": litert}


def peak_mib() -> float:
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024


def main() -> None:
    engine, model, threads, source, target = sys.argv[1:]
    x = np.load(source)
    start = time.perf_counter()
    run = ENGINES[engine](model, int(threads))
    load_ms = 1e3 * (time.perf_counter() - start)
    answer = run(x)
    if engine.startswith("openvino"):  # compiled for its shape at its first run
        load_ms = 1e3 * (time.perf_counter() - start)
    np.save(target, answer)
    print(load_ms, peak_mib(), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run(x)
        print(1e3 * (time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    main()
