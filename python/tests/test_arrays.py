"""What goes in and comes out: no copy, and a sentence for whatever does not fit. Nothing may crash."""
from __future__ import annotations

import mmap

import numpy as np
import pytest
from conftest import network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tercel


def relu(dtype="FLOAT", shape=("n", 4), inputs=1, node_type="Relu"):
    return tercel.Session(tercel.load(network(node_type, dtype, shape, inputs)), threads=1)


@pytest.fixture(scope="module")
def session():
    return relu()


def test_one_array_a_dict_and_a_list(session):
    x = np.array([[-1, 2, -3, 4]], np.float32)
    wanted = np.maximum(x, 0)
    for given_inputs in (x, {"x0": x}, [x], (x,)):
        result = session.run(given_inputs)
        assert len(result) == 1 and result[0].dtype == np.float32
        np.testing.assert_array_equal(result[0], wanted)
    np.testing.assert_array_equal(session(x), wanted)


def test_two_inputs_by_name_in_order_and_as_arguments():
    add = relu(inputs=2, node_type="Sub")
    a, b = np.full((2, 4), 5, np.float32), np.full((2, 4), 3, np.float32)
    for result in (add.run([a, b])[0], add.run({"x1": b, "x0": a})[0], add(a, b)):
        np.testing.assert_array_equal(result, a - b)
    with pytest.raises(tercel.Error, match="2 inputs: give a dict"):
        add.run(a)
    with pytest.raises(tercel.Error, match="'x1' is missing"):
        add.run({"x0": a})
    with pytest.raises(tercel.Error, match="no input 'x2'; there is x0, x1"):
        add.run({"x0": a, "x2": b})
    with pytest.raises(tercel.Error, match="2 inputs, 1 arrays"):
        add.run([a])


@pytest.mark.parametrize("name,kind", [("FLOAT", "float32"), ("DOUBLE", "float64"), ("FLOAT16", "float16"), ("INT8", "int8"),
                                       ("INT16", "int16"), ("INT32", "int32"), ("INT64", "int64")])
def test_every_type_comes_back_as_itself(name, kind):
    x = np.array([[-3, 0, 1, 2]], kind)
    y, = relu(name, node_type="Abs").run(x)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, np.abs(x))


@pytest.mark.parametrize("name,kind", [("UINT8", "uint8"), ("UINT16", "uint16"), ("UINT32", "uint32"), ("UINT64", "uint64"),
                                       ("BOOL", "bool")])
def test_unsigned_and_bool(name, kind):
    x = np.array([[1, 0, 1, 1]], kind)
    y, = relu(name, node_type="Identity").run(x)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x)


def test_bf16_through_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.array([[-1, 2, -3, 4]], ml_dtypes.bfloat16)
    y, = relu("BFLOAT16").run(x)
    assert y.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(y.astype(np.float32), np.maximum(x.astype(np.float32), 0))


def test_read_only_memory_and_torch(session):
    x = np.array([[-1, 2, -3, 4]], np.float32)
    x.flags.writeable = False
    np.testing.assert_array_equal(session(x), np.maximum(x, 0))
    np.testing.assert_array_equal(session(memoryview(x)), np.maximum(x, 0))
    torch = pytest.importorskip("torch")
    t = torch.tensor([[-1.0, 2, -3, 4]])
    np.testing.assert_array_equal(session(t), np.maximum(x, 0))
    try:  # PyTorch of some versions gives such memory away, of others not
        np.testing.assert_array_equal(session(t.requires_grad_()), np.maximum(x, 0))
    except tercel.Error as error:
        assert "detach" in str(error)
    with pytest.raises(tercel.Error, match="contiguous"):
        session(torch.ones(4, 3).t())
    with pytest.raises(tercel.Error, match=r"x.to\(torch.float32\)"):
        session(torch.ones(1, 4, dtype=torch.float64))


def test_inputs_are_not_copied(session):
    """A run takes memory for the values that nodes give, here as much as the input, and none for the input."""
    import resource

    x = np.zeros((1 << 24, 4), np.float32)
    x[:] = 1
    out = np.empty_like(x)
    out[:] = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    session.run(x, out=out)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert out.min() == 1
    assert grown < 1.5 * x.nbytes


def test_out(session):
    x = np.array([[-1, 2, -3, 4]], np.float32)
    out = np.full((1, 4), 7, np.float32)
    for given_out in (out, [out], {"y": out}):
        out[:] = 7
        assert session.run(x, out=given_out)[0] is out
        np.testing.assert_array_equal(out, np.maximum(x, 0))
    out.flags.writeable = False
    cases = [(out, "read-only"), (np.empty((1, 4)), "wanted f32, got f64"), (np.empty((2, 4), np.float32), "'y'.*1x4"),
             (x, "shares memory with input 'x0'"), (np.empty((4, 2), np.float32).T[:1], "."), ([out, out], "1 outputs, out has 2"),
             ({"z": out}, "no output 'z'"), (np.empty((1, 8), np.float32)[:, ::2], "C order"), ("abc", "wanted an array")]
    for bad, words in cases:
        with pytest.raises(tercel.Error, match=words):
            session.run(x, out=bad)


def test_answers_outlive_their_session():
    y, = relu().run(np.ones((1, 4), np.float32))
    assert y.sum() == 4 and y.flags.writeable
    y += 1


X = np.ones((3, 4), np.float32)


@pytest.mark.parametrize("bad,words", [
    (X.astype(np.float64), r"'x0': wanted f32, got f64; write x.astype\(numpy.float32\)"),
    (X.astype(np.int64), "wanted f32, got i64"),
    (X.astype(np.complex64), "complex64"),
    (X.astype(object), "object"),
    (X.astype(">f4"), "float32|f4"),
    (X.astype("U4"), "U4"),
    (np.zeros((1, 4), "datetime64[s]"), "datetime64"),
    (np.zeros((1, 4), [("a", "f4"), ("b", "f4")]), "'a'"),
    (X.T, "wanted|C order"),
    (np.ones((3, 8), np.float32)[:, ::2], r"C order.*numpy.ascontiguousarray\(x\)"),
    (np.asfortranarray(X), "C order"),
    (X[::-1], "C order"),
    (np.broadcast_to(np.float32(1), (3, 4)), "C order"),
    (X[0], "'x0'.*shape"),
    (np.ones((3, 5), np.float32), r"'x0'.*3x5"),
    (np.float32(3), "'x0'"),
    (3.0, r"got float.*numpy.asarray\(x, dtype=numpy.float32\)"),
    ([[1.0, 2, 3, 4]], "got list"),
    (None, "NoneType"),
    ("x.npy", "got str"),
    (b"1234", "u8"),
    ({}, "'x0' is missing"),
    ([], "1 inputs, 0 arrays"),
    ([X, X], "1 inputs, 2 arrays"),
    (object(), "got object"),
])
def test_a_sentence_for_what_does_not_fit(session, bad, words):
    with pytest.raises(tercel.Error, match=words):
        session.run(bad)


def test_empty_batches_and_nan(session):
    assert session(np.ones((0, 4), np.float32)).shape == (0, 4)
    assert np.isnan(session(np.full((1, 4), np.nan, np.float32))).all()


def test_a_view_at_an_odd_address(session):
    raw = bytearray(17)
    x = np.frombuffer(raw, np.float32, count=4, offset=1).reshape(1, 4)
    np.testing.assert_array_equal(session(x), np.zeros((1, 4)))


def test_dead_buffers(session, tmp_path):
    view = memoryview(np.ones((1, 4), np.float32))
    view.release()
    with pytest.raises((tercel.Error, ValueError)):
        session.run(view)
    path = tmp_path / "x"
    path.write_bytes(bytes(16))
    with open(path, "r+b") as file:
        mapped = mmap.mmap(file.fileno(), 16)
    mapped.close()
    with pytest.raises((tercel.Error, ValueError)):
        session.run(mapped)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=hnp.arrays(dtype=st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes(max_size=2)),
                        shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)),
       turn=st.sampled_from(["as it is", "T", "reverse", "skip", "objects"]))
def test_no_array_crashes(session, array, turn):
    if turn == "T":
        array = array.T
    elif turn == "reverse" and array.ndim:
        array = array[::-1]
    elif turn == "skip" and array.ndim:
        array = array[..., ::2]
    elif turn == "objects":
        array = array.astype(object)
    try:
        y, = session.run(array)
    except tercel.Error as error:
        assert len(str(error)) > 10
    else:
        assert array.dtype == np.float32 and array.ndim == 2 and array.shape[1] == 4
        np.testing.assert_array_equal(y, np.maximum(array, 0))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=st.one_of(st.binary(max_size=300), st.text(max_size=20), st.none(), st.integers(), st.lists(st.integers(), max_size=3)))
def test_no_source_crashes_load(source):
    with pytest.raises((tercel.Error, TypeError, ValueError)):
        tercel.Session(tercel.load(source))
