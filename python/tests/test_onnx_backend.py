"""ONNX's own tests for Python backends, run through tercel.backend: right, or refused in words, never wrong."""
from __future__ import annotations

import collections
import unittest
import warnings

import pytest

import tercel

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx.backend.test")

from tercel.backend import TercelBackend, TercelRep  # noqa: E402


class Refusing(TercelBackend):
    """What Tercel refuses in words is a test left out, with these words."""

    refusals: list[str] = []

    @classmethod
    def prepare(cls, model, device="CPU", **options):
        try:
            rep = super().prepare(model, device, **options)
        except tercel.Error as error:
            cls.refuse(error)
        return RefusingRep(rep.session)

    @classmethod
    def refuse(cls, error):
        if error.code != "unsupported":
            raise error
        cls.refusals.append(str(error))
        raise unittest.SkipTest(f"refused: {error}")


class RefusingRep(TercelRep):
    def run(self, inputs, **options):
        try:
            return super().run(inputs, **options)
        except tercel.Error as error:
            Refusing.refuse(error)


def run_suite():
    from onnx.backend.test import BackendTest

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        suite = BackendTest(Refusing, __name__)
        suite.exclude("_cuda$")
        suite.exclude("^OnnxBackendRealModelTest")  # these are downloaded
        for name in ("resnet50", "vgg19", "inception", "densenet", "squeezenet", "zfnet512", "bvlc_alexnet", "shufflenet"):
            suite.exclude(f"test_{name}")
        loader, result = unittest.TestLoader(), unittest.TestResult()
        tests = unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in suite.test_cases.values())
        tests.run(result)
    return result


def test_onnx_backend_suite(capsys):
    Refusing.refusals.clear()
    result = run_suite()
    refused = [reason for _, reason in result.skipped if reason.startswith("refused: ")]
    left_out = [reason for _, reason in result.skipped if not reason.startswith("refused: ")]
    wrong = result.failures + result.errors
    passed = result.testsRun - len(result.skipped) - len(wrong)
    with capsys.disabled():
        print(f"\nonnx {onnx.__version__}: {passed} passed, {len(refused)} refused in words, {len(wrong)} wrong"
              f" (not Tercel's: {len(left_out)})")
    assert not wrong, collections.Counter(trace.strip().splitlines()[-1][:200] for _, trace in wrong).most_common(30)
    assert passed > 800 and all(len(sentence) > 20 for sentence in refused)
