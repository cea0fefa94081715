"""peer_tercel, a process that loads a model and then runs it whenever it is asked to."""
import pathlib
import subprocess

import numpy as np

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "build/release/bench/peer_tercel"


class TercelProcess:
    """`without`: passes to leave out."""

    def __init__(self, model: str, threads: int, data: np.ndarray, folder: pathlib.Path, without: tuple = (), program: str = str(PROGRAM)):
        np.save(folder / "in.npy", data)
        self.process = subprocess.Popen([program, model, str(threads), str(folder / "in.npy"), str(folder / "out.npy"), *without],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.load_ms, self.load_mib = map(float, self.process.stdout.readline().split())
        self.answer = np.load(folder / "out.npy")

    def run(self) -> float:
        """One run, in ms."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
