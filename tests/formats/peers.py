"""The comparisons with NumPy, onnx, ONNX Runtime and safetensors; run by `peers`, which makes their environment.

usage: peers.py PEER SCRATCH
"""
import glob
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import safetensors.numpy

peer, scratch = sys.argv[1], sys.argv[2]
checks = 0


def ours(*arguments):
    subprocess.run([peer, *arguments], check=True)


def check(condition, text):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"FAILED: {text}")


def at(name):
    return os.path.join(scratch, name)


def arrays_of_every_type():
    values = np.array([[0, 1, 2], [100, 3, 7]])
    for code in "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split():
        yield code, values.astype(code)
        yield code + "_big", values.astype(code).astype(np.dtype(code).newbyteorder(">"))
        yield code + "_fortran", np.asfortranarray(values.astype(code))
        yield code + "_empty", np.zeros((0, 3), code)
        yield code + "_scalar", np.array(1, code)
    yield "specials", np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.7976931348623157e308])
    yield "text", np.array([["shoe", ""], ["Stiefel", "\u9774\U0001f600"]])
    yield "bytes", np.array([b"ab", b"c"])
    yield "big_text", np.array(["a\u00e9"], ">U4")


def same(a, b):
    if a.dtype.kind == "S":
        a = np.char.decode(a, "utf-8")
    if a.shape != b.shape:
        return False
    if a.dtype.kind == "f":
        return a.astype(a.dtype.newbyteorder("=")).tobytes() == b.tobytes()
    return bool((a == b).all()) and a.dtype.newbyteorder("=").kind == b.dtype.kind


def numpy_files():
    everything = dict(arrays_of_every_type())
    for name, array in everything.items():
        for version in ((1, 0), (2, 0), (3, 0)):
            with open(at("in.npy"), "wb") as file:
                np.lib.format.write_array(file, array, version=version)
            ours("copy", at("in.npy"), at("out.npy"))
            check(same(array, np.load(at("out.npy"))), f".npy {version} {name}")
    for save in (np.savez, np.savez_compressed):
        save(at("in.npz"), **everything)
        ours("copy", at("in.npz"), at("out.npz"))
        with np.load(at("out.npz")) as back:
            check(set(back.files) == set(everything), f".npz names by {save.__name__}")
            for name, array in everything.items():
                check(same(array, back[name]), f".npz by {save.__name__}: {name}")


def safetensors_files():
    everything = {name: np.ascontiguousarray(array) for name, array in arrays_of_every_type()
                  if array.dtype.kind not in "US" and array.dtype.byteorder != ">"}
    safetensors.numpy.save_file(everything, at("in.safetensors"), metadata={"format": "np"})
    ours("copy", at("in.safetensors"), at("out.safetensors"))
    back = safetensors.numpy.load_file(at("out.safetensors"))
    check(set(back) == set(everything), "safetensors names")
    for name, array in everything.items():
        check(same(array, back[name]), f"safetensors: {name}")
    ours("copy", at("in.safetensors"), at("out.npz"))
    with np.load(at("out.npz")) as back:
        for name, array in everything.items():
            check(same(array, back[name]), f"safetensors to .npz: {name}")


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def checks_only(name):
    check(True, name)
    print(f"{name}: accepted by the checker")


def our_models_elsewhere():
    """The official checker accepts what we write, and ONNX Runtime computes the same."""
    ours("samples", scratch)
    for path in sorted(glob.glob(at("*.onnx"))):
        name = os.path.basename(path)[:-5]
        onnx.checker.check_model(onnx.load(path), full_check=True)
        if not os.path.exists(at(name + ".in.npy")):
            checks_only(name)
            continue
        run = session(path)
        feed = {run.get_inputs()[0].name: np.load(at(name + ".in.npy"))}
        for port, theirs in zip(run.get_outputs(), run.run(None, feed)):
            mine = np.load(at(f"{name}.{port.name}.npy"))
            check(mine.shape == theirs.shape and mine.dtype == theirs.dtype, f"{name}: {port.name}: {mine.shape} {theirs.shape}")
            worst = np.max(np.abs(mine.astype("f8") - theirs), initial=0)
            check(worst <= 1e-5, f"{name}: {port.name} differs by {worst}")
            print(f"{name}: {port.name} {list(mine.shape)}: largest difference {worst:.2g}")


numpy_files()
safetensors_files()
our_models_elsewhere()
print(f"numpy {np.__version__}, onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}: {checks} checks passed")
