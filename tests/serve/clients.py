"""A server of ours, a client of others: what tritonclient asks for and gets, by value.

usage: clients.py PROGRAM SCRATCH. The model is made here with the onnx package: y = relu(x W + b) on rows, and i + i on
int64, so NumPy knows every answer. Ends with exit code 0 only when the server, asked to stop, ends with 0 too.
"""

import os
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import onnx
import tritonclient.http as client_of
from onnx import TensorProto, helper, numpy_helper
from tritonclient.utils import InferenceServerException

program, scratch = sys.argv[1:3]
rng = np.random.default_rng(5)
W, b = rng.standard_normal((7, 3)).astype(np.float32), rng.standard_normal(3).astype(np.float32)
failures = []


def check(what, good):
    print(("ok      " if good else "FAILED  ") + what, flush=True)
    if not good:
        failures.append(what)


def model_file():
    nodes = [helper.make_node("Gemm", ["x", "W", "b"], ["h"]), helper.make_node("Relu", ["h"], ["y"]),
             helper.make_node("Add", ["i", "i"], ["twice"])]
    graph = helper.make_graph(
        nodes, "rows",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 7]),
         helper.make_tensor_value_info("i", TensorProto.INT64, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3]),
         helper.make_tensor_value_info("twice", TensorProto.INT64, ["N", 2])],
        [numpy_helper.from_array(W, "W"), numpy_helper.from_array(b, "b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = os.path.join(scratch, "rows.onnx")
    onnx.save(model, path)
    return path


def start(path):
    server = subprocess.Popen([program, "serve", path, "--listen", "127.0.0.1:0", "--grace", "0"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    address = None
    for line in server.stdout:
        found = re.search(r"http://([0-9.:]+)", line)
        address = found.group(1) if found else address
        if line.strip() == "ready":
            return server, address
    raise SystemExit("the server did not become ready")


def ask(client, rows, **options):
    x = rng.standard_normal((rows, 7)).astype(np.float32)
    i = rng.integers(-2**52, 2**52, (rows, 2))
    inputs = [client_of.InferInput("x", x.shape, "FP32"), client_of.InferInput("i", i.shape, "INT64")]
    inputs[0].set_data_from_numpy(x, binary_data=False)
    inputs[1].set_data_from_numpy(i, binary_data=False)
    outputs = [client_of.InferRequestedOutput(name, binary_data=False) for name in ("y", "twice")]
    answer = client.infer("rows", inputs, outputs=outputs, **options)
    right = np.allclose(answer.as_numpy("y"), np.maximum(x @ W + b, 0), rtol=1e-5, atol=1e-5)
    return answer, right and np.array_equal(answer.as_numpy("twice"), i + i)


def refused(call, status, *words):
    try:
        call()
    except InferenceServerException as error:
        return str(status) in (error.status() or str(error)) and all(word in str(error) for word in words)
    return False


def main():
    server, address = start(model_file())
    client = client_of.InferenceServerClient(address)
    check("live, ready, model ready", client.is_server_live() and client.is_server_ready() and client.is_model_ready("rows"))
    check("server metadata", client.get_server_metadata()["name"] == "slipway")
    metadata = client.get_model_metadata("rows")
    check("model metadata", {(t["name"], t["datatype"], tuple(t["shape"])) for t in metadata["inputs"]} ==
          {("x", "FP32", (-1, 7)), ("i", "INT64", (-1, 2))})
    for rows in (1, 2, 37):
        answer, right = ask(client, rows, request_id=f"id-{rows}")
        check(f"{rows} rows, by value, id echoed", right and answer.get_response()["id"] == f"id-{rows}")
    check("one output only", list(o["name"] for o in one_output(client)) == ["y"])
    check("an unknown model is 404", refused(lambda: client.get_model_metadata("nobody"), 404, "nobody"))
    check("a wrong shape is 400 and says which", refused(lambda: wrong_shape(client), 400, "x"))
    check("a binary tensor is refused, not misread", refused(lambda: binary(client), 415))
    check("16 threads, every caller its own rows", all(crowd(address)))
    server.send_signal(signal.SIGTERM)
    server.stdout.read()
    check("asked to stop, it ends with 0", server.wait(30) == 0)
    print(f"{len(failures)} failures")
    return 1 if failures else 0


def one_output(client):
    x = client_of.InferInput("x", [1, 7], "FP32")
    i = client_of.InferInput("i", [1, 2], "INT64")
    x.set_data_from_numpy(np.zeros((1, 7), np.float32), binary_data=False)
    i.set_data_from_numpy(np.zeros((1, 2), np.int64), binary_data=False)
    wanted = [client_of.InferRequestedOutput("y", binary_data=False)]
    return client.infer("rows", [x, i], outputs=wanted).get_response()["outputs"]


def wrong_shape(client):
    x = client_of.InferInput("x", [1, 6], "FP32")
    x.set_data_from_numpy(np.zeros((1, 6), np.float32), binary_data=False)
    return client.infer("rows", [x], outputs=[client_of.InferRequestedOutput("y", binary_data=False)])


def binary(client):
    x = client_of.InferInput("x", [1, 7], "FP32")
    x.set_data_from_numpy(np.zeros((1, 7), np.float32), binary_data=True)
    return client.infer("rows", [x])


def crowd(address):
    right = []

    def work():
        client = client_of.InferenceServerClient(address)
        right.extend(ask(client, 1 + k % 3)[1] for k in range(40))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return right + [len(right) == 16 * 40]


sys.exit(main())
