#!/usr/bin/env python3
"""Tests of tercel.torch's code words, for Debian's python3-torch and python3-onnx.

    [TERCEL=build/release/tercel] python3 python/tests/test_codes.py
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
    import onnx
    import onnx.numpy_helper
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)  # ctest's word for skipped

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tercel.torch import CodeWords, binary_sign, export, hadamard_words  # noqa: E402

TERCEL = os.environ.get("TERCEL")


class CodesTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)

    def test_the_sign_is_of_one_bit_and_its_gradient_goes_through_the_middle(self):
        x = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, float("nan")], requires_grad=True)
        y = binary_sign(x)
        self.assertEqual(y.tolist(), [-1, -1, -1, -1, 1, 1, 1, -1])
        (y * torch.arange(8.0)).sum().backward()
        self.assertEqual(x.grad.tolist(), [0, 1, 2, 3, 4, 5, 0, 0])

    def test_hadamard_words_are_orthogonal_and_drawn_by_the_seed(self):
        words = hadamard_words(10, 64, seed=3)
        self.assertTrue(torch.equal(words @ words.T, 64 * torch.eye(10)))
        self.assertTrue(torch.equal(words, hadamard_words(10, 64, seed=3)))
        self.assertFalse(torch.equal(words, hadamard_words(10, 64, seed=4)))
        many = hadamard_words(63, 64)
        self.assertTrue(torch.equal(many @ many.T, 64 * torch.eye(63)))
        # Columns left out: no two words are the same or inverse, nor near it.
        odd = hadamard_words(20, 100)
        self.assertLess(float((odd @ odd.T - 100 * torch.eye(20)).abs().max()), 50)

    def test_scores_are_overlaps_times_beta(self):
        head = CodeWords(5, 16, beta=0.25)
        features = torch.randn(7, 16)
        agreeing = (features > 0).float() @ (head.words > 0).float().T + (features <= 0).float() @ (head.words < 0).float().T
        torch.testing.assert_close(head(features), 0.25 * (2 * agreeing - 16))
        given = hadamard_words(5, 16, 9)
        self.assertTrue(torch.equal(CodeWords(5, 16, words=given).words, given))

    def test_features_learn_words_and_words_learn_features(self):
        # Four classes by the signs of two numbers: no linear layer tells them apart from |x| alone.
        x = torch.randn(400, 2)
        labels = (x[:, 0] > 0).long() * 2 + (x[:, 1] > 0).long()
        for kind in ("hadamard", "learned"):
            model = nn.Sequential(nn.Linear(2, 32), nn.BatchNorm1d(32), CodeWords(4, 32, kind))
            before = model[2].words.clone()
            optimizer = torch.optim.Adam(model.parameters(), 0.02)
            for _ in range(150):
                optimizer.zero_grad()
                F.cross_entropy(model(x), labels).backward()
                optimizer.step()
            right = (model.eval()(x).argmax(1) == labels).double().mean()
            self.assertGreater(float(right), 0.95, kind)
            self.assertEqual(torch.equal(before, model[2].words), kind == "hadamard")
            self.assertTrue(bool((model[2].words.abs() == 1).all()))

    def test_a_checkpoint_brings_the_words_back(self):
        first, second = CodeWords(4, 32, seed=1), CodeWords(4, 32, seed=2)
        second.load_state_dict(first.state_dict())
        self.assertTrue(torch.equal(first.words, second.words))

    def network(self, kind):
        model = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), CodeWords(6, 4 * 6 * 6, kind, beta=0.05))
        for _ in range(5):
            model(torch.randn(16, 1, 8, 8))  # moments that are not those of the start
        return model.eval()

    def test_a_file_holds_signs_and_weights_of_one_magnitude(self):
        for kind in ("hadamard", "learned"):
            model, x = self.network(kind), torch.randn(9, 1, 8, 8)
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                export(model, x[:2], folder / "model.onnx")
                network = onnx.load(str(folder / "model.onnx"))
                onnx.checker.check_model(network)
                self.assertNotIn("BatchNormalization", [node.op_type for node in network.graph.node])
                weights = onnx.numpy_helper.to_array(next(i for i in network.graph.initializer if len(i.dims) == 2))
                self.assertEqual(len(np.unique(np.abs(weights))), 1)
                if not TERCEL:
                    continue
                np.save(folder / "x.npy", x.numpy())
                subprocess.run([TERCEL, "hopfield", "fit", folder / "model.onnx", "--code-words", "-o", folder / "memory.tercel"],
                               check=True, stdout=subprocess.DEVNULL)
                for file in ("model.onnx", "memory.tercel"):
                    subprocess.run([TERCEL, "run", folder / file, "-i", folder / "x.npy", "-o", folder / "y.npy"], check=True,
                                   stdout=subprocess.DEVNULL)
                    np.testing.assert_allclose(np.load(folder / "y.npy"), model(x).detach().numpy(), rtol=1e-5, atol=1e-5, err_msg=file)

    def test_what_cannot_be_is_refused(self):
        for words, arguments in ((r"2 or more classes.*not 1 words", {"classes": 1, "bits": 8}),
                                 (r"fewer than 8 Hadamard words, not 8", {"classes": 8, "bits": 8}),
                                 (r"or a tensor; not 'random'", {"classes": 4, "bits": 8, "words": "random"}),
                                 (r"\[4, 8\]; not \(4, 7\)", {"classes": 4, "bits": 8, "words": torch.ones(4, 7)}),
                                 (r"of other numbers", {"classes": 4, "bits": 8, "words": torch.zeros(4, 8)}),
                                 (r"beta is a number above 0", {"classes": 4, "bits": 8, "beta": -1.0}),
                                 (r"beta is a number above 0", {"classes": 4, "bits": 8, "beta": 0.0})):
            with self.assertRaisesRegex(ValueError, words):
                CodeWords(**arguments)
        with self.assertRaisesRegex(ValueError, r"\[B, 8\].*not \[2, 9\]"):
            CodeWords(4, 8)(torch.zeros(2, 9))


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
