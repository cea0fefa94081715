"""Engines in processes of their own, each of which loads a model and then runs it whenever it is asked to."""
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parent / "build/release/bench/peer_tercel"


class EngineProcess:
    """A command with peer_tercel's words. Raises RuntimeError with what it said where it does not load."""

    def __init__(self, command: list, threads: int, data: np.ndarray, folder: pathlib.Path, rest: tuple = ()):
        np.save(folder / "in.npy", data)
        with (folder / "err").open("w") as said:
            self.process = subprocess.Popen([*command, str(threads), str(folder / "in.npy"), str(folder / "out.npy"), *rest],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True)
        words = self.process.stdout.readline().split()
        if len(words) != 2:
            self.process.wait()
            raise RuntimeError(((folder / "err").read_text().strip().splitlines() or ["it said nothing"])[-1])
        self.load_ms, self.load_mib = map(float, words)
        self.answer = np.load(folder / "out.npy")

    def run(self) -> float:
        """One run, in ms."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class TercelProcess(EngineProcess):
    """`without`: passes to leave out."""

    def __init__(self, model: str, threads: int, data: np.ndarray, folder: pathlib.Path, without: tuple = (), program: str = str(PROGRAM)):
        super().__init__([program, model], threads, data, folder, without)


class PeerProcess(EngineProcess):
    """`engine`: a word of peer_process.py."""

    def __init__(self, engine: str, model: str, threads: int, data: np.ndarray, folder: pathlib.Path):
        super().__init__([sys.executable, str(HERE / "peer_process.py"), engine, model], threads, data, folder)
