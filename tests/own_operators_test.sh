#!/bin/sh
# Operators of Tercel's own (domain ai.tercel) from file to file: own_operators_test.sh SOURCE_DIR TERCEL. Where Python has ONNX
# Runtime (TERCEL_PYTHON names another Python), it runs what Tercel writes.
. "$(dirname "$0")/journey.sh"

# As somebody else's program wrote it: y = concat(x w * RowScale(x), x w * RowScale(x, epsilon 0.01, centred)), x f32[n x 16].
base64 -d >own.onnx <<'END'
CAgSADr/AwouCgF4EgFyIghSb3dTY2FsZSoRCgdlcHNpbG9uFW8SgzqgAQE6CWFpLnRlcmNlbApFCgF4EgFzGgVwbGFpbiIIUm93U2NhbGUqDgoHY2VudHJl
ZBgBoAECKhEKB2Vwc2lsb24VCtcjPKABAToJYWkudGVyY2VsChEKAXgKAXcSAXAiBk1hdE11bAoOCgFwCgFyEgFhIgNNdWwKDgoBcAoBcxIBYiIDTXVsCh4K
AWEKAWISAXkiBkNvbmNhdCoLCgRheGlzGAGgAQISA293biqMAggQCAQQAUIBd0qAAgAAAAAAAAAAAACAPwAAAEAAAADAAAAAwAAAAEAAAABAAACAvwAAgL8A
AABAAAAAAAAAgL8AAABAAACAvwAAAAAAAIA/AAAAAAAAAMAAAADAAAAAQAAAgD8AAABAAAAAAAAAAEAAAIC/AAAAAAAAgD8AAADAAACAvwAAAMAAAAAAAAAA
QAAAAMAAAIC/AAAAAAAAAEAAAIC/AAAAAAAAgL8AAADAAACAPwAAAMAAAIC/AAAAAAAAAAAAAADAAAAAQAAAgD8AAABAAAAAwAAAgD8AAIC/AAAAAAAAAEAA
AIC/AACAPwAAAMAAAIC/AAAAQAAAAAAAAAAAAACAvwAAAMBaFAoBeBIPCg0IARIJCgMSAW4KAggQYgkKAXkSBAoCCAFCBAoAEBJCDQoJYWkudGVyY2VsEAE=
END
npy x.npy '2, 16' 128

exits 0 '' run own.onnx -i x.npy -o y.npy
exits 0 '' inspect own.onnx
says 'ai.tercel.RowScale'

# ---- through a .tercel file and back: the same bytes out

exits 0 '' compress own.onnx --lossless -o own.tercel
exits 0 '' run own.tercel -i x.npy -o packed.npy
same_files y.npy packed.npy 'own.tercel answers otherwise than own.onnx'
exits 0 '' decompress own.tercel -o back.onnx
exits 0 '' run back.onnx -i x.npy -o back.npy
same_files y.npy back.npy 'back.onnx answers otherwise than own.onnx'
exits 0 '' inspect back.onnx
says 'ai.tercel.RowScale'

exits 0 '' optimize own.onnx -o lean.onnx
exits 0 '' run lean.onnx -i x.npy -o lean.npy
same_files y.npy lean.npy 'lean.onnx answers otherwise than own.onnx'

# ---- what is no operator of the domain

sed 's/RowScale/RowSkale/g' own.onnx >unknown.onnx
exits 2 "version 1 of the domain 'ai.tercel' has no operator 'RowSkale'; it has RowScale" run unknown.onnx -i x.npy -o no.npy
sed 's/centred/centrad/g' own.onnx >attribute.onnx
exits 2 "node 'plain' (ai.tercel.RowScale): ai.tercel.RowScale has no attribute 'centrad'" run attribute.onnx -i x.npy -o no.npy
sed 's/ai\.tercel/ai.torcel/g' own.onnx >domain.onnx
exits 2 "Tercel has no operator 'RowScale' of domain 'ai.torcel'" run domain.onnx -i x.npy -o no.npy

# ---- other tools run the standard form that stands in the file

python=${TERCEL_PYTHON:-python3}
if command -v "$python" >/dev/null && "$python" -c 'import numpy, onnxruntime' 2>/dev/null; then
  for model in back lean; do
    "$python" - $model.onnx >out 2>&1 <<'END' || failed "ONNX Runtime and $model.onnx: $(cat out)"
import sys
import numpy
import onnxruntime

got = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"]).run(None, {"x": numpy.load("x.npy")})[0]
numpy.testing.assert_allclose(got, numpy.load("y.npy"), rtol=1e-5, atol=1e-6)
END
  done
else
  echo "skipped: no ONNX Runtime for $python"
fi

finish
