"""peer.py PEER DIR: rows of the op table against PyTorch, forward and gradients, in float64.

Each case names a row, its attributes and inputs, and the same thing in PyTorch; PEER computes ours. Shapes are odd
and drawn at a fixed seed. A difference is a line and exit code 1.
"""
import os
import subprocess
import sys

import numpy as np
import torch
import torch.nn.functional as F

peer, folder = sys.argv[1:3]
generator = np.random.default_rng(7)
cases = []


def draw(*dims, low=-2.0, high=2.0):
    return generator.uniform(low, high, dims)


def case(op, inputs, reference, outputs=1, gradients=True, **attrs):
    cases.append((op, inputs, reference, outputs, gradients, attrs))


# ---- elementwise ----
for op, f, low, high in [
    ("Tanh", torch.tanh, -3, 3), ("Sigmoid", torch.sigmoid, -9, 9), ("Relu", torch.relu, -2, 2), ("Silu", F.silu, -5, 5),
    ("Softplus", F.softplus, -9, 9), ("Erf", torch.erf, -2, 2), ("Exp", torch.exp, -2, 2), ("Log", torch.log, 0.1, 4),
    ("Sqrt", torch.sqrt, 0.1, 4), ("Reciprocal", torch.reciprocal, 0.3, 4), ("Sin", torch.sin, -4, 4), ("Cos", torch.cos, -4, 4),
    ("Abs", torch.abs, -2, 2), ("Floor", torch.floor, -4, 4), ("Ceil", torch.ceil, -4, 4), ("Round", torch.round, -4, 4),
    ("HardSwish", F.hardswish, -5, 5), ("Neg", torch.neg, -2, 2), ("Sign", torch.sign, -2, 2)]:
    case(op, [draw(3, 7, low=low, high=high)], f)
case("Round", [np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])], torch.round)
case("LeakyRelu", [draw(3, 7)], lambda x: F.leaky_relu(x, 0.2), alpha=0.2)
case("Elu", [draw(3, 7)], lambda x: F.elu(x, 0.7), alpha=0.7)
case("Gelu", [draw(3, 7, low=-4, high=4)], F.gelu)
case("Gelu", [draw(3, 7, low=-4, high=4)], lambda x: F.gelu(x, approximate="tanh"), approximate="tanh")
case("HardSigmoid", [draw(3, 7, low=-5, high=5)], lambda x: torch.clamp(x / 6 + 0.5, 0, 1), alpha=1 / 6, beta=0.5)
case("Clip", [draw(3, 7), np.array(-0.5), np.array(1.0)], lambda x, low, high: torch.clamp(x, -0.5, 1.0))
for op, f in [("Add", torch.add), ("Sub", torch.sub), ("Mul", torch.mul), ("Div", torch.div), ("Min", torch.minimum),
              ("Max", torch.maximum), ("Pow", torch.pow), ("Mod", torch.remainder)]:
    case(op, [draw(2, 1, 5, low=0.3, high=3), draw(3, 1, low=0.3, high=3)], f)
case("Mod", [draw(20, low=-5, high=5), draw(20, low=-3, high=3)], torch.remainder, gradients=False)
case("Max", [np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, 2.0])], torch.maximum)

# ---- products ----
case("MatMul", [draw(3, 5), draw(5, 4)], torch.matmul)
case("MatMul", [draw(2, 1, 3, 5), draw(4, 5, 2)], torch.matmul)
case("MatMul", [draw(5), draw(2, 5, 3)], torch.matmul)
case("MatMul", [draw(2, 3, 5), draw(5)], torch.matmul)
case("MatMul", [draw(5, 3), draw(4, 5)], lambda a, b: a.T @ b.T, transpose_a=1, transpose_b=1)
case("Gemm", [draw(3, 5), draw(4, 5), draw(4)], lambda a, b, c: 0.5 * a @ b.T + 2 * c, alpha=0.5, beta=2.0, transpose_b=1)

# ---- windows ----
case("Conv", [draw(2, 3, 7, 9), draw(4, 3, 3, 2), draw(4)], F.conv2d)
case("Conv", [draw(2, 4, 11, 9), draw(6, 2, 3, 3), draw(6)],
     lambda x, w, b: F.conv2d(x, w, b, stride=(2, 3), padding=(1, 2), dilation=(2, 1), groups=2),
     strides=[2, 3], pads=[1, 2, 1, 2], dilations=[2, 1], groups=2)
case("Conv", [draw(2, 6, 5, 5), draw(6, 1, 3, 3)], lambda x, w: F.conv2d(x, w, padding=1, groups=6), pads=[1, 1, 1, 1], groups=6)
case("Conv", [draw(2, 3, 11), draw(5, 3, 4), draw(5)], lambda x, w, b: F.conv1d(x, w, b, stride=3, padding=2), strides=[3], pads=[2, 2])
case("Conv", [draw(1, 2, 4, 5, 6), draw(3, 2, 2, 3, 2)], lambda x, w: F.conv3d(x, w, padding=1), pads=[1] * 6)
case("MaxPool", [draw(2, 3, 7, 9)], lambda x: F.max_pool2d(x, (3, 2), (2, 3), (1, 1), (1, 2)),
     kernel=[3, 2], strides=[2, 3], pads=[1, 1, 1, 1], dilations=[1, 2])
case("MaxPool", [draw(2, 3, 7, 9)], lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), kernel=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1)
case("MaxPool", [generator.integers(0, 3, (2, 3, 8, 8)).astype(float)], lambda x: F.max_pool2d(x, 3, 2), kernel=[3, 3], strides=[2, 2])
for include in (False, True):
    for ceil in (False, True):
        case("AveragePool", [draw(2, 3, 7, 10)],
             lambda x, c=ceil, i=include: F.avg_pool2d(x, (3, 2), (2, 3), (1, 1), ceil_mode=c, count_include_pad=i),
             kernel=[3, 2], strides=[2, 3], pads=[1] * 4, ceil_mode=int(ceil), count_include_pad=int(include))

# ---- normalisation and reductions ----


def batch_norm(training):
    def f(x, scale, bias, mean, variance, _):
        running = mean.detach().clone(), variance.detach().clone()
        y = F.batch_norm(x, *running, scale, bias, training, 0.25, 1e-3)
        return (y, running[0])
    return f


for training in (True, False):
    x, stats = draw(4, 3, 5, 2), [draw(3), draw(3), draw(3), draw(3, low=0.5)]
    case("BatchNorm", [x, *stats, np.array(training)], batch_norm(training), outputs=2, epsilon=1e-3, momentum=0.75)
case("LayerNorm", [draw(3, 4, 5), draw(4, 5), draw(4, 5)], lambda x, s, b: F.layer_norm(x, (4, 5), s, b, 1e-4), axis=1, epsilon=1e-4)
case("Softmax", [draw(2, 4, 3)], lambda x: F.softmax(x, 1), axis=1)
case("LogSoftmax", [draw(2, 4, 3)], lambda x: F.log_softmax(x, -1), axis=-1)
case("ReduceSum", [draw(2, 3, 4)], lambda x: x.sum((0, 2)), axes=[0, 2], keep_dims=0)
case("ReduceMean", [draw(2, 3, 4)], lambda x: x.mean((1,), keepdim=True), axes=[1])
case("ReduceMax", [draw(2, 3, 4)], lambda x: x.amax((1, 2)), axes=[1, 2], keep_dims=0)
case("ReduceMax", [np.array([[1.0, 3.0, 3.0, 2.0]])], lambda x: x.amax(1), axes=[1], keep_dims=0)
case("ReduceMin", [draw(2, 3, 4)], lambda x: x.amin(0), axes=[0], keep_dims=0)
case("ReduceProd", [np.array([[1.5, 0.0, -2.0], [0.0, 3.0, 0.0]])], lambda x: x.prod(1), axes=[1], keep_dims=0)
case("ArgMax", [generator.integers(0, 3, (4, 9)).astype(float)], lambda x: torch.tensor(np.argmax(x.detach().numpy(), 1)), gradients=False, axis=1, keep_dims=0)

# ---- shapes and places ----
i64 = np.int64
case("Transpose", [draw(2, 3, 4)], lambda x: x.permute(2, 0, 1), permutation=[2, 0, 1])
case("Pad", [draw(2, 3, 4, 5), np.array([0, 0, 1, 2, 0, 0, 2, 1], i64)], lambda x, p: F.pad(x, (2, 1, 1, 2), "reflect"), mode="reflect")
case("Pad", [draw(2, 3, 4, 5), np.array([0, 0, 1, 2, 0, 0, 2, 1], i64)], lambda x, p: F.pad(x, (2, 1, 1, 2), "replicate"), mode="edge")
case("Pad", [draw(3, 4), np.array([1, 0, 0, 2], i64)], lambda x, p: F.pad(x, (0, 2, 1, 0)))
case("Gather", [draw(5, 3), np.array([[4, 0], [0, 2]], i64)], lambda x, i: x[i], axis=0)
case("GatherElements", [draw(4, 5), np.array([[0, 3, 3], [1, 1, 0]], i64)], lambda x, i: torch.gather(x, 0, i), axis=0)
case("ScatterElements", [draw(4, 5), np.array([[0, 3, 3], [1, 1, 3]], i64), draw(2, 3)],
     lambda x, i, u: x.scatter_add(0, i, u), axis=0, reduction="add")
case("ScatterElements", [draw(4, 5), np.array([[0, 3, 2], [1, 1, 0]], i64), draw(2, 3)], lambda x, i, u: x.scatter(0, i, u), axis=0)
for size in ((4, 5), (12, 15), (3, 17)):
    sizes = np.array(size, i64)
    case("Resize", [draw(2, 3, 8, 9), sizes], lambda x, s, n=size: F.interpolate(x, n, mode="bilinear"))
    case("Resize", [draw(2, 3, 8, 9), sizes], lambda x, s, n=size: F.interpolate(x, n, mode="bilinear", antialias=True), antialias=1)

# ---- losses ----
labels = np.array([3, 0, 4, 2], i64)
case("SoftmaxCrossEntropy", [draw(4, 5), labels], lambda x, t: F.cross_entropy(x, t, reduction="none"))
case("SoftmaxCrossEntropy", [draw(4, 5), labels], lambda x, t: F.cross_entropy(x, t, reduction="none", label_smoothing=0.1), label_smoothing=0.1)
case("SoftmaxCrossEntropy", [draw(2, 5, 3), np.array([[1, 4, 2], [2, 0, 3]], i64)],
     lambda x, t: F.cross_entropy(x, t, reduction="none", ignore_index=2), ignore_index=2)
case("BinaryCrossEntropy", [draw(4, 3, low=-30, high=30), draw(4, 3, low=0, high=1)],
     lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"))


# ---- optimisers: three steps from PyTorch's own, the last one compared ----
def optimizer(make, slots):
    """Parameter, gradient and slots before PyTorch's third step, and parameter and slots after it."""
    p = torch.tensor(draw(4, 3), requires_grad=True)
    o = make([p])
    for step in range(3):
        before = p.detach().numpy().copy(), [o.state[p][s].numpy().copy() for s in slots] if step else None
        p.grad = torch.tensor(draw(4, 3))
        o.step()
    after = [p.detach()] + [o.state[p][s] for s in slots]
    return [before[0], p.grad.numpy().copy()] + before[1], after


for nesterov in (0, 1):
    inputs, after = optimizer(lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.01, nesterov=bool(nesterov)), ["momentum_buffer"])
    case("SgdUpdate", inputs + [np.array(0.1)], lambda *a, r=after: tuple(r), outputs=2, gradients=False, momentum=0.9, weight_decay=0.01, nesterov=nesterov)
for decoupled, make in ((0, torch.optim.Adam), (1, torch.optim.AdamW)):
    inputs, after = optimizer(lambda p: make(p, 0.01, (0.8, 0.95), 1e-6, 0.1), ["exp_avg", "exp_avg_sq"])
    case("AdamUpdate", inputs + [np.array(0.01), np.array(3, i64)], lambda *a, r=after: tuple(r), outputs=3, gradients=False,
         beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=0.1, decoupled=decoupled)


# ---- both halves ----
def write(lines, name, array):
    np.save(os.path.join(folder, name), array)
    lines.append(f"input {name}")


def attribute(name, value):
    if isinstance(value, list):
        return f"ints {name} " + " ".join(map(str, value))
    return f"{'text' if isinstance(value, str) else 'float' if isinstance(value, float) else 'int'} {name} {value!r}".replace("'", "")


expected, lines = [], []
for number, (op, inputs, reference, outputs, gradients, attrs) in enumerate(cases):
    lines.append(f"op {op}")
    tensors = [torch.tensor(x, requires_grad=gradients and x.dtype == np.float64) for x in inputs]
    for k, x in enumerate(inputs):
        write(lines, f"c{number}.x{k}.npy", x)
    lines += [attribute(n, v) for n, v in attrs.items()] + [f"outputs {outputs}", f"run c{number}"]
    results = reference(*tensors)
    results = results if isinstance(results, tuple) else (results,)
    if gradients and results[0].requires_grad:
        weight = torch.tensor(draw(*results[0].shape))
        np.save(os.path.join(folder, f"c{number}.w0.npy"), weight.numpy())
        (results[0] * weight).sum().backward()
    expected.append(([r.detach().numpy() for r in results], [t.grad for t in tensors]))
with open(os.path.join(folder, "cases"), "w") as f:
    f.write("\n".join(lines) + "\n")
subprocess.run([peer, folder], check=True)

wrong = compared = 0


def compare(what, name, theirs):
    global wrong, compared
    path = os.path.join(folder, name)
    ours = np.load(path) if os.path.exists(path) else None
    compared += 1
    if ours is None or ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=1e-9, atol=1e-11):
        wrong += 1
        print(f"{what}: {'missing' if ours is None else ours.shape if ours.shape != theirs.shape else np.abs(ours - theirs).max()}")


for number, ((op, _, _, _, _, attrs), (results, gradients)) in enumerate(zip(cases, expected)):
    for k, result in enumerate(results):
        compare(f"{op} {attrs} output {k}", f"c{number}.y{k}.npy", result)
    for k, gradient in enumerate(gradients):
        # PyTorch gives zeros where we say that there is none.
        if gradient is not None and not (op == "Clip" and k > 0):
            compare(f"{op} {attrs} gradient {k}", f"c{number}.dx{k}.npy", gradient.numpy())
print(f"{len(cases)} cases, {compared} tensors compared with PyTorch {torch.__version__}, {wrong} wrong")
sys.exit(wrong > 0)
