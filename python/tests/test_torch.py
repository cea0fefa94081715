#!/usr/bin/env python3
"""Tests of tercel.torch, for Debian's python3-torch, python3-torchvision and python3-onnx.

    [TERCEL=build/release/tercel] python3 python/tests/test_torch.py
"""
import copy
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import warnings

try:
    import numpy as np
    import onnx
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)  # ctest's word for skipped

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tercel.torch import (Affine, GateSchedule, MovingLayerNorm, calibrate, convert, distillation_loss, export,  # noqa: E402
                          fold, reconstruct, set_gate)
from tercel.torch.reconstruct import relative_error  # noqa: E402

try:
    from torchvision.models import VisionTransformer
except ImportError:
    VisionTransformer = None

TERCEL = os.environ.get("TERCEL")
WIDTH, TOKENS = 16, 5
KINDS = ("scalar", "position", "channel", "affine")
NORMALISING = {"LayerNormalization", "BatchNormalization", "InstanceNormalization", "ReduceMean", "ReduceSum", "ReduceL2"}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-3), nn.LayerNorm(WIDTH, eps=1e-3)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).chunk(3, -1)
        x = x + self.proj((q @ k.transpose(-2, -1)).softmax(-1) @ v)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Vit(nn.Module):
    """Pictures are four patches of three numbers: [B, 4, 3] -> scores [B, 7]."""

    def __init__(self, patch_norm=False, mean=False):
        super().__init__()
        self.mean = mean
        self.patches = nn.Linear(3, WIDTH)
        self.patch_norm = nn.LayerNorm(WIDTH) if patch_norm else nn.Identity()
        self.class_token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.position = nn.Parameter(torch.randn(1, TOKENS, WIDTH))
        self.blocks = nn.Sequential(Block(), Block())
        self.norm = nn.LayerNorm(WIDTH)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(WIDTH, 7)

    def forward(self, x):
        x = self.patch_norm(self.patches(x))
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1) + self.position
        x = self.dropout(self.norm(self.blocks(x)))
        return self.head(x.mean(1) if self.mean else x[:, 0])


def pictures(count=32, seed=0):
    return torch.randn(count, TOKENS - 1, 3, generator=torch.Generator().manual_seed(seed)) * 2 + 1


def shake(model):
    """gamma and beta as after training: neither 1 nor 0."""
    for module in model.modules():
        if isinstance(module, nn.LayerNorm) and module.weight is not None:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return model


def fixed(model, kind, batches, **options):
    """The model converted and calibrated, its gates closed."""
    convert(model, kind, **options)
    calibrate(model, batches)
    set_gate(model, 0)
    return model.eval()


class TorchTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)

    def assert_close(self, got, wanted, tolerance=1e-5):
        self.assertEqual(got.shape, wanted.shape)
        worst = float((got - wanted).abs().max() / wanted.abs().max())
        self.assertLess(worst, tolerance)

    def assert_folds(self, model, x, left=0, readers=None):
        """The folded network equals the model and holds no MovingLayerNorm and `left` Affines."""
        with torch.no_grad():
            wanted = model.eval()(x)
            folded = fold(model, readers)
            self.assert_close(folded(x), wanted)
        self.assertFalse([m for m in folded.modules() if isinstance(m, nn.LayerNorm)])
        self.assertEqual(sum(isinstance(m, Affine) for m in folded.modules()), left)
        return folded


class NormTest(TorchTest):
    def test_equals_layer_norm_at_gate_1(self):
        x = torch.randn(4, TOKENS, WIDTH) * 3 + 1
        for kind in KINDS:
            for affine in (True, False):
                plain = shake(nn.LayerNorm(WIDTH, eps=1e-2, elementwise_affine=affine))
                norm = MovingLayerNorm.from_layer_norm(plain, moments=kind, tokens=TOKENS)
                for mode in (True, False):
                    self.assertTrue(torch.equal(norm.train(mode)(x), plain(x)))

    def test_patterns_of_skip_that_match_no_norm_are_refused(self):
        with self.assertRaisesRegex(ValueError, "'nrom' is the name of no LayerNorm.*did you mean 'norm'"):
            convert(Vit(), skip=["nrom"])
        with self.assertRaisesRegex(ValueError, "list of patterns"):
            convert(Vit(), skip="norm")
        with self.assertRaisesRegex(ValueError, "'head' is the name of no LayerNorm"):  # there, and no LayerNorm
            convert(Vit(), skip=["norm", "head"])

    def test_converted_model_keeps_names_parameters_and_outputs(self):
        model, x = shake(Vit()), pictures()
        wanted = model.eval()(x)
        parameters = dict(model.named_parameters())
        convert(model, "affine", skip=["norm", "blocks.0.*"])
        self.assertEqual([name for name, m in model.named_modules() if isinstance(m, MovingLayerNorm)],
                         ["blocks.1.norm1", "blocks.1.norm2"])
        self.assertEqual({name: id(p) for name, p in model.named_parameters()}, {n: id(p) for n, p in parameters.items()})
        self.assertEqual(model.blocks[1].norm1.eps, 1e-3)
        self.assertTrue(torch.equal(model(x), wanted))

    def test_calibrated_moments_are_those_of_all_batches(self):
        batches = [torch.randn(8, TOKENS, WIDTH) * (i + 1) + i for i in range(3)]
        x = torch.cat(batches)
        xhat = F.layer_norm(x, (WIDTH,), eps=1e-5)
        for kind in ("channel", "affine"):
            norm = calibrate(MovingLayerNorm(WIDTH, kind), batches)
            self.assert_close(norm.moments.mean[0], x.flatten(0, 1).mean(0))
            self.assert_close(norm.moments.var[0], x.flatten(0, 1).var(0, unbiased=False))
        # "affine" is the least squares line of every channel.
        flat, hat = x.flatten(0, 1).double().numpy(), xhat.flatten(0, 1).double().numpy()
        lines = np.array([np.polyfit(flat[:, c], hat[:, c], 1) for c in range(WIDTH)])
        set_gate(norm, 0)
        self.assert_close(norm.eval()(x), x * torch.tensor(lines[:, 0]).float() + torch.tensor(lines[:, 1]).float(), 1e-4)
        # "scalar" and "position" are least squares through the origin, of the centred input.
        centred = x - x.mean(-1, keepdim=True)
        for kind, axes in (("scalar", (0, 1, 2)), ("position", (0, 2))):
            norm = calibrate(MovingLayerNorm(WIDTH, kind, tokens=TOKENS), batches)
            set_gate(norm, 0)
            slope = (centred * xhat).sum(axes, keepdim=True) / (centred**2).sum(axes, keepdim=True)
            self.assert_close(norm.eval()(x), centred * slope, 1e-4)

    def test_class_token_has_moments_of_its_own(self):
        x = torch.randn(64, TOKENS, WIDTH)
        x[:, 0] = x[:, 0] * 100 + 7
        for kind in ("scalar", "channel", "affine"):
            norm = calibrate(MovingLayerNorm(WIDTH, kind, class_token=True, tokens=TOKENS), [x])
            together = calibrate(MovingLayerNorm(WIDTH, kind), [x])
            set_gate(norm, 0)
            set_gate(together, 0)
            y, wanted = norm.eval()(x), F.layer_norm(x, (WIDTH,))

            def error(values):
                return float((values[:, 3] - wanted[:, 3]).abs().mean())

            self.assertLess(error(y), 0.5 * error(together.eval()(x)), kind)
            alone = calibrate(MovingLayerNorm(WIDTH, kind), [x[:, :1]])
            set_gate(alone, 0)
            self.assert_close(y[:, :1], alone.eval()(x[:, :1]), 1e-4)

    def test_training_moves_the_moments(self):
        first, second = torch.randn(8, TOKENS, WIDTH), torch.randn(8, TOKENS, WIDTH) * 3 + 2
        norm = MovingLayerNorm(WIDTH, "channel", momentum=0.25).train()
        norm(first)
        self.assert_close(norm.moments.mean[0], first.mean((0, 1)))  # there was nothing before it
        norm(second)  # the second of two counts half until momentum is the larger
        self.assert_close(norm.moments.mean[0], (first.mean((0, 1)) + second.mean((0, 1))) / 2)
        for _ in range(3):
            before = norm.moments.mean.clone()
            norm(second)
        self.assertEqual(int(norm.seen), 5)
        self.assert_close(norm.moments.mean - before, 0.25 * (second.mean((0, 1)) - before))
        kept = norm.moments.mean.clone()
        norm.eval()(first)
        self.assertTrue(torch.equal(norm.moments.mean, kept))

    def test_moments_rest_at_gate_0_but_for_batch_norms(self):
        for kind in KINDS:
            norm = MovingLayerNorm(WIDTH, kind, tokens=TOKENS).train()
            norm(torch.randn(8, TOKENS, WIDTH))
            set_gate(norm, 0)
            norm(torch.randn(8, TOKENS, WIDTH) * 9)
            self.assertEqual(int(norm.seen), 2 if kind == "channel" else 1, kind)

    def test_channel_moments_are_batch_norm(self):
        x = torch.randn(8, TOKENS, WIDTH) * 2 + 3
        norm, batch_norm = MovingLayerNorm(WIDTH, "channel").train(), nn.BatchNorm1d(WIDTH).train()
        set_gate(norm, 0)
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        y, wanted = norm(a), batch_norm(b.transpose(1, 2)).transpose(1, 2)
        self.assert_close(y, wanted)
        weights = torch.randn_like(x)
        (y * weights).sum().backward()
        (wanted * weights).sum().backward()
        self.assert_close(a.grad, b.grad, 1e-4)

    def test_gate_mixes(self):
        x = torch.randn(8, TOKENS, WIDTH)
        norm = calibrate(MovingLayerNorm(WIDTH, "affine"), [x]).eval()
        exact = norm(x)
        set_gate(norm, 0)
        last = norm(x)
        set_gate(norm, 0.25)
        self.assert_close(norm(x), 0.25 * exact + 0.75 * last)

    def test_state_round_trip(self):
        x = pictures()
        for kind in KINDS:
            model = convert(shake(Vit()), kind, example=x, class_token=kind == "affine").train()
            model(x)
            set_gate(model, 0.5)
            other = convert(Vit(), kind, example=x, class_token=kind == "affine")
            with tempfile.TemporaryFile() as file:
                torch.save(model.state_dict(), file)
                file.seek(0)
                other.load_state_dict(torch.load(file))
            self.assertTrue(torch.equal(other.eval()(x), model.eval()(x)))

    def test_norms_behind_the_choice_of_a_token(self):
        class Late(Vit):
            def forward(self, x):
                return self.head(self.norm(self.blocks(torch.cat([x.new_zeros(len(x), 1, WIDTH), self.patches(x)], 1))[:, 0]))

        x = pictures()
        for kind, class_token in (("position", False), ("affine", True)):
            model = fixed(shake(Late()), kind, [x], example=x, class_token=class_token)
            self.assertEqual(model.norm.moments.rows, 1)
            self.assertEqual(model.blocks[0].norm1.tokens, TOKENS)
            model(x[:3])  # any batch size

        class Aside(Vit):
            def forward(self, x):
                return self.head(self.patches(x))

        with self.assertRaisesRegex(ValueError, "norm1"):
            convert(Aside(), "position", example=x)

    def test_refusals(self):
        for options in ({"moments": "median"}, {"momentum": 0}, {"momentum": 2}, {"moments": "position"},
                        {"class_token": True, "tokens": 1}):
            with self.assertRaises(ValueError):
                MovingLayerNorm(WIDTH, **options)
        with self.assertRaises(ValueError):
            MovingLayerNorm((TOKENS, WIDTH))
        with self.assertRaisesRegex(ValueError, "5 tokens"):
            MovingLayerNorm(WIDTH, "position", tokens=TOKENS)(torch.randn(2, 4, WIDTH))
        with self.assertRaisesRegex(ValueError, "example"):
            convert(Vit(), "position")
        with self.assertRaises(ValueError):
            convert(nn.Linear(3, 3))
        with self.assertRaises(ValueError):
            calibrate(convert(Vit()), [])

    def test_modes_survive_conversion_and_calibration(self):
        model = Vit().train()
        model.blocks[0].eval()
        convert(model, "position", example=pictures())
        calibrate(model, [pictures()])
        self.assertTrue(model.training and model.blocks[1].norm1.training)
        self.assertFalse(model.blocks[0].training or model.blocks[0].norm1.training)


class GateTest(TorchTest):
    def test_schedule(self):
        for shape, half in (("linear", 0.75), ("cosine", 0.5 * (1 + 0.5**0.5))):
            model = convert(Vit())
            schedule, seen = GateSchedule(model, steps=4, start=2, shape=shape), []
            for _ in range(8):
                seen.append(float(model.norm.gate))
                schedule.step()
            self.assertEqual(seen[:3], [1, 1, 1])
            self.assertAlmostEqual(seen[3], half, places=6)
            self.assertEqual(seen[6:], [0, 0])
            self.assertEqual(float(model.blocks[0].norm1.gate), 0)

    def test_schedule_goes_on_where_it_stopped(self):
        model = convert(Vit())
        schedule = GateSchedule(model, steps=4)
        schedule.step()
        again = GateSchedule(model, steps=4)
        self.assertEqual(float(model.norm.gate), 1)
        again.load_state_dict(schedule.state_dict())
        self.assertEqual(float(model.norm.gate), 0.75)

    def test_refusals(self):
        for options in ({"steps": 0}, {"steps": 1, "start": -1}, {"steps": 1, "shape": "sudden"}):
            with self.assertRaises(ValueError):
                GateSchedule(convert(Vit()), **options)
        with self.assertRaises(ValueError):
            set_gate(Vit(), 2)

    def test_distillation(self):
        scores, labels, teacher = torch.randn(6, 4), torch.arange(6) % 4, torch.randn(6, 4)
        self.assert_close(distillation_loss(scores, labels, teacher, weight=0), F.cross_entropy(scores, labels))
        self.assertLess(float(distillation_loss(teacher, labels, teacher, weight=1, temperature=3).abs()), 1e-6)
        p, q = (teacher / 2).softmax(-1), (scores / 2).softmax(-1)
        wanted = 4 * (p * (p / q).log()).sum(-1).mean()
        self.assert_close(distillation_loss(scores, labels, teacher, weight=1, temperature=2), wanted)

    def test_fine_tuning_learns_with_the_gate_closed(self):
        x, labels = pictures(64), torch.arange(64) % 7
        for kind in KINDS:
            torch.manual_seed(1)
            model = convert(Vit(), kind, example=x)
            optimizer, schedule, losses = torch.optim.Adam(model.parameters(), 3e-3), GateSchedule(model, 20), []
            for _ in range(50):
                loss = F.cross_entropy(model.train()(x), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                losses.append(float(loss))
            self.assertLess(losses[-1], 0.8 * losses[0], kind)
            self.assertLess(losses[-1], losses[20], kind)


class FoldTest(TorchTest):
    def test_every_kind(self):
        x = pictures()
        for kind in KINDS:
            for mean in (False, True):
                model = fixed(shake(Vit(mean=mean)), kind, [x], example=x)
                self.assert_folds(model, pictures(seed=1), left=5 if kind == "position" else 0)

    def test_class_token(self):
        x = pictures()
        for kind in ("scalar", "channel", "affine"):
            model = fixed(shake(Vit()), kind, [x], example=x, class_token=True)
            with warnings.catch_warnings():
                warnings.simplefilter("error" if kind == "scalar" else "ignore")
                self.assert_folds(model, pictures(seed=1), left=5)

    def test_the_model_itself_stays(self):
        x = pictures()
        model = fixed(shake(Vit()), "affine", [x])
        before = copy.deepcopy(model.state_dict())
        model.train()
        fold(model)
        self.assertTrue(model.training)
        self.assertTrue(all(torch.equal(value, before[name]) for name, value in model.state_dict().items()))

    def test_skipped_norms_stay_exact(self):
        x = pictures()
        model = fixed(shake(Vit()), "channel", [x], skip=["norm"])
        folded = fold(model)
        self.assertIs(type(folded.norm), nn.LayerNorm)
        self.assert_close(folded(x), model(x))

    def test_into_the_layer_before(self):
        x = pictures()
        for kind in ("scalar", "channel", "affine"):
            model = fixed(shake(Vit(patch_norm=True)), kind, [x])
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                folded = self.assert_folds(model, pictures(seed=1))
            self.assertFalse(torch.equal(folded.patches.weight, model.patches.weight))

    def test_outputs_read_twice_stay(self):
        class PostNorm(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm, self.fc = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)

            def forward(self, x):
                y = self.norm(x)
                return y + self.fc(y)

        x = torch.randn(8, TOKENS, WIDTH)
        for kind in KINDS:
            model = fixed(shake(PostNorm()), kind, [x], example=x)
            with self.assertWarnsRegex(UserWarning, "'norm' was not merged"):
                self.assert_folds(model, x, left=1)

    def test_layers_with_other_readers_stay(self):
        class Shared(nn.Module):
            def __init__(self, how):
                super().__init__()
                self.how = how
                self.norm, self.fc, self.twin = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
                if how == "tied":
                    self.twin.weight = self.fc.weight

            def forward(self, x):
                y = self.fc(self.norm(x))
                if self.how == "called twice":
                    return self.fc(y)
                return F.linear(y, self.fc.weight) if self.how == "used" else self.twin(y)

        x = torch.randn(8, TOKENS, WIDTH)
        for how in ("called twice", "used", "tied"):
            model = fixed(shake(Shared(how)), "affine", [x])
            with self.assertWarns(UserWarning):
                self.assert_folds(model, x, left=1)

    def test_models_no_trace_can_follow(self):
        class Deciding(Vit):
            def forward(self, x):
                return super().forward(x) if float(x.mean()) > -100 else x

        x = pictures()
        model = fixed(shake(Deciding()), "affine", [x])
        with self.assertRaisesRegex(ValueError, "readers"):
            fold(model)
        readers = {"norm": ["head"]}
        for i in range(2):
            readers.update({f"blocks.{i}.norm1": [f"blocks.{i}.qkv"], f"blocks.{i}.norm2": [f"blocks.{i}.fc1"]})
        self.assert_folds(model, x, readers=readers)
        with self.assertRaisesRegex(ValueError, "nobody"):
            fold(model, {"norm": ["nobody"]})
        with self.assertRaisesRegex(ValueError, "'nrom' is no MovingLayerNorm"):
            fold(model, {"nrom": ["head"]})

    def test_open_gates_are_refused(self):
        with self.assertRaisesRegex(ValueError, "gate at 1"):
            fold(convert(Vit()))

    def test_multihead_attention(self):
        """q, k and v from norms of their own, packed and not, with and without biases; both of PyTorch's ways to compute it."""

        class Cross(nn.Module):
            def __init__(self, bias, packed):
                super().__init__()
                sizes = {} if packed else {"kdim": WIDTH + 4, "vdim": WIDTH}
                self.norm_q, self.norm_k = nn.LayerNorm(WIDTH), nn.LayerNorm(sizes.get("kdim", WIDTH))
                self.widen = nn.Linear(WIDTH, self.norm_k.normalized_shape[0])
                self.attention = nn.MultiheadAttention(WIDTH, 2, bias=bias, batch_first=True, **sizes)

            def forward(self, x):
                y = self.norm_q(x)
                return self.attention(y, self.norm_k(self.widen(x) + 1), y, need_weights=False)[0]

        class Self(nn.Module):
            def __init__(self):
                super().__init__()
                self.norm, self.attention = nn.LayerNorm(WIDTH), nn.MultiheadAttention(WIDTH, 2, batch_first=True)

            def forward(self, x):
                y = self.norm(x)
                return self.attention(query=y, key=y, value=y, need_weights=False)[0]

        x = torch.randn(8, TOKENS, WIDTH)
        for kind in KINDS:
            # (PyTorch 1.13 itself fails to evaluate self-attention without biases.)
            for model in (Self(), Cross(True, True), Cross(True, False), Cross(False, True), Cross(False, False)):
                model = fixed(shake(model), kind, [x], example=x)
                sites = sum(isinstance(m, nn.LayerNorm) for m in model.modules())
                folded = self.assert_folds(model, x, left=sites if kind == "position" else 0)
                self.assert_close(folded(x), model(x))  # with gradients on: not the fused way

    def test_torchs_encoder_layer(self):
        """In evaluation PyTorch's fused layer reads its norms' gamma and beta and never calls them."""
        x = torch.randn(8, TOKENS, WIDTH) * 3
        for kind in KINDS:
            layer = nn.TransformerEncoderLayer(WIDTH, 2, 32, activation="gelu", batch_first=True, norm_first=True)
            model = nn.Sequential(nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(WIDTH)), nn.Linear(WIDTH, 3))
            model = shake(model).requires_grad_(False).eval()
            wanted = model(x)
            convert(model, kind, example=x, skip=["0.norm"])
            calibrate(model, [x])
            self.assert_close(model(x), wanted)
            set_gate(model, 0)
            self.assertGreater(float((model(x) - wanted).abs().max()), 1e-3)
            folded = fold(model)
            self.assert_close(folded(x), model(x))
            self.assertFalse([m for m in folded.modules() if isinstance(m, MovingLayerNorm)])


class ReconstructTest(TorchTest):
    BLOCKS = ["blocks.0", "blocks.1"]

    def setUp(self):
        super().setUp()
        self.teacher = shake(Vit()).eval()
        self.x, self.others = pictures(96), pictures(96, seed=7)

    def student(self, kind="affine", **options):
        return convert(copy.deepcopy(self.teacher), kind, skip=["norm"], **options)

    @torch.no_grad()
    def errors(self, model, x):
        """Of the last block's output, and the mean divergence of the scores."""
        streams = [net.blocks((torch.cat([net.class_token.expand(len(x), -1, -1), net.patches(x)], 1) + net.position))
                   for net in (model.eval(), self.teacher)]
        scores, wanted = model(x), self.teacher(x)
        divergence = distillation_loss(scores, wanted.argmax(1), wanted, weight=1)
        return float(relative_error(*streams)), float(divergence)

    def test_relative_error(self):
        wanted = torch.tensor([[[3.0, -3.0], [30.0, 10.0]]])  # energies 18 and 200
        got = wanted + torch.tensor([[[3.0, 0.0], [0.0, 20.0]]])  # squares 9 and 400
        self.assertAlmostEqual(float(relative_error(got, wanted)), (0.5 + 2) / 2, places=5)
        self.assertAlmostEqual(float(relative_error(got, wanted, 3)), (3 * 0.5 + 2) / 4, places=5)
        self.assertAlmostEqual(float(relative_error(got[:, 1], wanted[:, 1], 3)), 2, places=5)
        self.assertEqual(float(relative_error(wanted * 0, wanted * 0)), 0)

    def test_comes_nearer_to_the_teacher(self):
        for kind in KINDS:
            plain = fixed(copy.deepcopy(self.teacher), kind, [self.x], skip=["norm"], example=self.x)
            model = self.student(kind, example=self.x)
            told = reconstruct(model, self.teacher, self.x, self.BLOCKS, epochs=10, rate=5e-3)
            self.assertEqual([tuned.name for tuned in told], self.BLOCKS)
            for x in (self.x, self.others):
                before, after = self.errors(plain, x), self.errors(model, x)
                self.assertLess(after[0], 0.8 * before[0], kind)
                self.assertLess(after[1], before[1], kind)
            divergence = self.errors(model, self.others)[1]
            end, = reconstruct(model, self.teacher, self.x, self.BLOCKS, epochs=0, final_epochs=10, final_rate=3e-3)
            self.assertEqual(end.name, "scores")
            self.assertLess(end.after, end.before)
            self.assertLess(self.errors(model, self.others)[1], divergence, kind)
            folded = fold(model)
            self.assertFalse([m for m in folded.modules() if isinstance(m, MovingLayerNorm)])
            with torch.no_grad():
                self.assert_close(folded(self.others), model(self.others))

    def test_exported_as_it_was_tuned(self):
        model = self.student("position", example=self.x)
        reconstruct(model, self.teacher, self.x, self.BLOCKS, epochs=2, final_epochs=1)
        with tempfile.TemporaryDirectory() as name, torch.no_grad():
            path = pathlib.Path(name) / "model.onnx"
            self.assert_close(export(model, self.x[:2], path)(self.others), model(self.others))
            operators = [node.op_type for node in onnx.load(str(path)).graph.node]
        self.assertEqual(operators.count("LayerNormalization"), 1)  # the last norm, left out of it

    def test_same_seed_same_weights(self):
        def tuned(seed):
            model = self.student()
            noise = []

            def shaken(chosen, generator):
                noise.append(torch.randn(self.x[chosen].shape, generator=generator))
                return self.x[chosen] + 0.1 * noise[-1]

            reconstruct(model, self.teacher, self.x, self.BLOCKS, epochs=2, final_epochs=2, views=2, augment=shaken, seed=seed)
            self.assertTrue(noise)
            return model.state_dict()

        first, torch_state = tuned(3), torch.random.get_rng_state()
        torch.randn(5)  # what the caller draws makes no difference, nor does reconstruct change what he draws
        again = tuned(3)
        self.assertTrue(all(torch.equal(value, again[name]) for name, value in first.items()))
        self.assertFalse(torch.equal(tuned(4)["blocks.0.qkv.weight"], first["blocks.0.qkv.weight"]))
        torch.random.set_rng_state(torch_state)
        tuned(3)
        self.assertTrue(torch.equal(torch.random.get_rng_state(), torch_state))

    def test_only_what_was_named_moves(self):
        parts = {"weights": ["fc1.weight", "proj.bias"], "norms": ["norm1.weight", "norm2.bias"], "moments": ["norm1.moments.ratio"]}
        for tune in parts:
            model = self.student("position", example=self.x)
            model.blocks[0].fc2.requires_grad_(False)
            calibrate(model, [self.x])
            set_gate(model, 0)
            before = copy.deepcopy(model.state_dict())
            taught = copy.deepcopy(self.teacher.state_dict())
            asked = {name: p.requires_grad for name, p in model.named_parameters()}
            told, = reconstruct(model.train(), self.teacher, self.x, [model.blocks[0]], epochs=4, rate=1e-2, tune=[tune],
                                held_out=0.3)
            self.assertGreater(told.epochs, 0)
            moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
            self.assertTrue(all(name.startswith("blocks.0.") and "fc2" not in name for name in moved))
            for kind, names in parts.items():
                for name in names:
                    self.assertEqual("blocks.0." + name in moved, kind == tune, name)
            self.assertTrue(all(torch.equal(value, taught[name]) for name, value in self.teacher.state_dict().items()))
            self.assertEqual({name: p.requires_grad for name, p in model.named_parameters()}, asked)
            self.assertFalse(any(buffer.requires_grad for buffer in model.buffers()))
            self.assertTrue(model.training)

    def test_a_hurtful_rate_changes_nothing(self):
        model = self.student()
        calibrate(model, [self.x])
        set_gate(model, 0)
        before = copy.deepcopy(model.state_dict())
        told = reconstruct(model, self.teacher, self.x, self.BLOCKS, epochs=2, rate=1.0)
        self.assertEqual([(tuned.epochs, tuned.before == tuned.after) for tuned in told], [(0, True), (0, True)])
        self.assertTrue(all(torch.equal(value, before[name]) for name, value in model.state_dict().items()))

    def test_blocks_in_any_order_and_apart(self):
        """Blocks with something between them, named backwards, are walked in running order."""
        names = ["blocks.1.fc1", "blocks.0.norm2", "blocks.0.norm1", "blocks.1.norm1", "blocks.1.norm2", "blocks.0.qkv"]
        model, seen = self.student(), []
        told = reconstruct(model, self.teacher, self.x, names, epochs=1,
                           progress=lambda what, part: seen.append((what, part)))
        order = ["blocks.0.norm1", "blocks.0.qkv", "blocks.0.norm2", "blocks.1.norm1", "blocks.1.norm2", "blocks.1.fc1"]
        self.assertEqual([tuned.name for tuned in told], order)
        self.assertEqual(list(dict.fromkeys(what for what, _ in seen)), ["teacher", *order])
        self.assertTrue(all(0 < part <= 1 for _, part in seen))
        self.assertEqual(seen[-1], ("blocks.1.fc1", 1.0))
        # The last block was judged on what the network before it, tuned, gives: so a second look starts where the first ended.
        again = reconstruct(model, self.teacher, self.x, names[:1], epochs=1)
        self.assertAlmostEqual(again[0].before, told[-1].after, places=5)

    def test_refusals(self):
        def refuses(words, model=None, teacher=None, x=self.x, blocks=self.BLOCKS, **options):
            with self.assertRaisesRegex(ValueError, words):
                reconstruct(model or self.student(), teacher or self.teacher, x, blocks, **options)

        refuses("two or more", x=self.x[:1])
        refuses("two or more", x=[self.x])
        refuses("one or more", blocks=[])
        refuses("one or more", blocks="blocks.0")
        refuses("no block 'blocks.9'", blocks=["blocks.9"])
        refuses("no block Linear", blocks=[nn.Linear(2, 2)])
        refuses("'blocks.0' is named twice", blocks=["blocks.0", "blocks.0"])
        refuses("'blocks.0.fc1' is a part", blocks=["blocks.0.fc1", "blocks.0"])
        refuses("gate of 'blocks.0.norm1' is open", blocks=["blocks.1"])
        refuses("tune is some of weights, norms, moments", tune=["biases"])
        refuses("tune is some of", tune=[])
        for option, value in (("epochs", -1), ("final_epochs", -1), ("hidden_weight", -1), ("batch", 0), ("views", 0), ("rate", 0),
                              ("final_rate", -1), ("first_weight", 0), ("held_out", 0), ("held_out", 1)):
            refuses(option, **{option: value})
        refuses("need augment", views=2)
        refuses("no longer a number", x=self.x * float("inf"))
        model = self.student()
        refuses("share parameters", model=model, teacher=model)
        refuses("nothing to tune of weights", model=self.student().requires_grad_(False), tune=["weights"])

        class Pair(nn.Module):
            def forward(self, x):
                return x, x

        class Odd(Vit):
            def __init__(self, how):
                super().__init__()
                self.how, self.pair, self.norms = how, Pair(), nn.LayerNorm(WIDTH)

            def forward(self, x):
                if self.how == "pair":
                    self.pair(x)
                elif self.how == "twice":
                    self.norms(self.norms(self.patches(x)))
                elif self.how == "keyword":
                    self.norms(input=self.patches(x))
                return super().forward(x)

        for how, block, words in (("pair", "pair", "gives something other than one tensor"), ("twice", "norms", "more than once"),
                                  ("keyword", "norms", "reads something other"), ("aside", "pair", "did not run")):
            odd = Odd(how)
            refuses(words, model=copy.deepcopy(odd), teacher=odd, blocks=[block])
        narrow = self.student()
        narrow.blocks[1].forward = lambda x: x[..., :4]
        refuses(r"'blocks.1' gives \(5, 4\) a picture, the teacher's \(5, 16\)", model=narrow)


class ExportTest(TorchTest):
    def operators(self, model, x):
        """Those of the ONNX file; Tercel, where $TERCEL names it, must say what the model says, at another batch size too."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            export(model, x[:2], folder / "model.onnx")
            network = onnx.load(str(folder / "model.onnx"))
            if TERCEL:
                np.save(folder / "x.npy", x.numpy())
                subprocess.run([TERCEL, "run", folder / "model.onnx", "-i", folder / "x.npy", "-o", folder / "y.npy"], check=True,
                               stdout=subprocess.DEVNULL)
                self.assert_close(torch.from_numpy(np.load(folder / "y.npy")), model.eval()(x).detach())
        onnx.checker.check_model(network)
        self.assertEqual(network.graph.input[0].type.tensor_type.shape.dim[0].dim_param, "batch")
        return [node.op_type for node in network.graph.node]

    def test_no_normalisation_is_left(self):
        x = pictures()
        for kind in KINDS:
            model = fixed(shake(Vit()), kind, [x], example=x)
            self.assertFalse(NORMALISING & set(self.operators(model, x)), kind)
        kept = fixed(shake(Vit()), "scalar", [x], skip=["norm"])
        self.assertEqual(self.operators(kept, x).count("LayerNormalization"), 1)

    @unittest.skipIf(VisionTransformer is None, "torchvision is not installed")
    def test_torchvisions_transformer(self):
        model = VisionTransformer(image_size=16, patch_size=8, num_layers=2, num_heads=2, hidden_dim=WIDTH, mlp_dim=32,
                                  num_classes=5)
        nn.init.normal_(model.heads.head.weight)  # torchvision starts with a head of zeros
        x = torch.randn(8, 3, 16, 16)
        wanted = shake(model).eval()(x)
        for kind in KINDS:
            converted = convert(copy.deepcopy(model), kind, example=x)
            self.assert_close(converted(x), wanted)
            calibrate(converted, [x])
            set_gate(converted, 0)
            self.assert_folds(converted, x, left=5 if kind == "position" else 0)
            self.assert_folds(converted.requires_grad_(False), x, left=5 if kind == "position" else 0)
            self.assertFalse(NORMALISING & set(self.operators(converted, x)), kind)


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
