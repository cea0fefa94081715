"""Threads, fork, spawn, Ctrl-C, memory."""
from __future__ import annotations

import concurrent.futures
import gc
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
from conftest import RESNET, network

import tercel

SESSION = None  # what a forked child finds


def answer_of_global(x):
    return SESSION(x)


def answer_of(session, x):
    return session(x)


def test_one_session_in_eight_threads():
    session = tercel.Session(RESNET, threads=2)
    inputs = [np.random.default_rng(i).standard_normal((1 + i % 6, 3, 32, 32), dtype=np.float32) for i in range(12)]
    wanted = [session(x) for x in inputs]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for got, right in zip(pool.map(session, inputs), wanted):
                np.testing.assert_allclose(got, right, atol=1e-5)


def test_the_gil_is_free_while_a_network_runs():
    """Another thread of Python goes on counting while one run is under way."""
    import threading

    session = tercel.Session(RESNET, threads=1)
    x = np.ones((256, 3, 32, 32), np.float32)
    session(x)
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1

    counter = threading.Thread(target=count)
    counter.start()
    before = counted[0]
    session(x)
    during = counted[0] - before
    done.set()
    counter.join()
    assert during > 1000


@pytest.mark.parametrize("threads", [1, 2])
def test_run_fork_run(picture, threads):
    global SESSION
    SESSION = tercel.Session(RESNET, threads=threads)
    wanted = SESSION(picture)
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of threads beside fork, which is what is tested
        with context.Pool(2) as pool:
            for got in pool.map_async(answer_of_global, [picture] * 6).get(timeout=120):
                np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(SESSION(picture), wanted)
    SESSION = None


def test_spawn_takes_a_session_along(picture):
    session = tercel.Session(RESNET, threads=1)
    wanted = session(picture)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        np.testing.assert_array_equal(pool.submit(answer_of, session, picture).result(timeout=120), wanted)


def test_data_loader(picture):
    torch_data = pytest.importorskip("torch.utils.data")
    torch = pytest.importorskip("torch")

    class Answers(torch_data.Dataset):
        def __init__(self, session):
            self.session = session

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return torch.from_numpy(self.session(picture))

    session = tercel.Session(RESNET, threads=2)
    wanted = session(picture)
    for batch in torch_data.DataLoader(Answers(session), num_workers=2, multiprocessing_context="fork", timeout=100):
        np.testing.assert_array_equal(batch[0].numpy(), wanted)


def resident() -> int:
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_memory_comes_back_after_loading_and_unloading():
    model = network("MatMul", shape=(64, 64), inputs=2).SerializeToString()
    x = np.ones((64, 64), np.float32)

    def cycle(count):
        for _ in range(count):
            tercel.Session(tercel.load(model), threads=2).run([x, x])
        gc.collect()

    cycle(100)
    before = resident()
    cycle(1000)
    assert resident() <= before * 1.05


def test_memory_stays_over_many_shapes():
    session = tercel.Session(tercel.load(network(shape=("n", "m"))), threads=1)
    arrays = [np.ones((1 + i, 64), np.float32) for i in range(50)]
    for i in range(200):
        session(arrays[i % 50])
    before = resident()
    for i in range(10_000):
        session(arrays[i % 50 if i % 10 else 0])
    gc.collect()
    assert resident() <= before * 1.05


SLOW = textwrap.dedent("""
    import os, signal, sys, warnings
    import tercel
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background of a shell
    model, pictures, mode = sys.argv[1:]
    calls = 0
    def progress(stage, done):
        global calls
        calls += 1
        if calls == (3 if mode == "early" else 10**9) or (mode == "late" and stage.startswith("refine") and done > 0):
            os.kill(os.getpid(), signal.SIGINT)
    options = dict(preprocessing="cifar", calibration_pictures=8, tuning_pictures=8, held_out_pictures=8, threads=1)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = tercel.compress(tercel.load(model), pictures, target_ratio=4, force=True, effort=7 if mode == "late" else 5,
                                    progress=progress, **options)
        print("best so far", found.interrupted, len(found.to_bytes()) > 1000, any("interrupted" in str(w.message) for w in caught))
    except KeyboardInterrupt as interrupt:
        print("KeyboardInterrupt", interrupt)
""")


def run_slow(pictures, tmp_path, mode):
    tercel.decompress(RESNET, tmp_path / "m.onnx")
    done = subprocess.run([sys.executable, "-c", SLOW, str(tmp_path / "m.onnx"), str(pictures), mode], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ctrl_c_before_there_is_a_result(pictures, tmp_path):
    assert run_slow(pictures, tmp_path, "early").startswith("KeyboardInterrupt")


def test_ctrl_c_in_the_search_gives_the_best_so_far(pictures, tmp_path):
    if dict(tercel.build_info().libraries).get("pagmo") == "none":
        pytest.skip("built without pagmo: no search")
    assert run_slow(pictures, tmp_path, "late") == "best so far True True True\n"


def test_ctrl_c_of_the_program(pictures, tmp_path):
    """The script `tercel` takes SIGINT as the program does: 130, and no partial file."""
    process = subprocess.Popen([sys.executable, "-m", "tercel", "compress", str(RESNET), "--calibrate", str(pictures), "--effort", "9",
                                "--preprocess", "cifar", "--target-ratio", "3", "--force", "-o", str(tmp_path / "m.tercel")],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        process.wait(timeout=4)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=200)
    assert process.returncode in (0, 130), shown
    assert not list(tmp_path.glob("*.partial"))
