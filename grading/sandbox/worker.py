"""Runs a student's cells and functions, inside the sandbox, for `session.py`.

    python worker.py '{"library": folder, "uid": null or number, "memory": bytes, ...}'

Requests come on the standard input and answers go to the standard output, as frames of
`wire.py`. The student's code runs in this very process and may do to it what it wants:
all that leaves it is data, and the grader takes it for an answer, nothing more.
"""

import json
import os
import sys
import types
import warnings

import shell
import wire

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None


quiet = warnings.catch_warnings  # student code may replace what it finds


def main():
    """Serve requests until the standard input ends."""
    config = json.loads(sys.argv[1])
    requests, replies = take_pipes()
    drop_rights(config)
    sys.path[0] = config["library"]  # in place of this folder
    sys.argv = ["notebook"]
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    notebook = shell.Shell(module.__dict__)
    send(replies, wire.encode("ready"))
    while True:
        send(replies, answer(notebook, wire.receive(requests)))


def take_pipes():
    """Keep the two pipes; what student code reads or prints meets the null device."""
    pipes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    return pipes


def drop_rights(config):
    """Set the limits of this process, and leave root's rights behind."""
    if resource:
        limit("RLIMIT_AS", config["memory"])
        limit("RLIMIT_CPU", config["cpu"])
        if config["processes"]:
            limit("RLIMIT_NPROC", config["processes"])
        limit("RLIMIT_NOFILE", 64)
        limit("RLIMIT_FSIZE", 64 * 2**20)
        limit("RLIMIT_CORE", 0)
    if config["uid"] is not None:
        os.setgroups([])
        os.setresgid(*[config["uid"]] * 3)
        os.setresuid(*[config["uid"]] * 3)


def limit(name, value):
    """Set one limit for good, where the system knows it and it is not lower already."""
    try:
        which = getattr(resource, name)
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))
    except (AttributeError, ValueError, OSError):
        if sys.platform == "linux":  # the sandbox's promise; elsewhere there is none
            raise


def send(stream, frame):
    """Write one frame."""
    stream.write(frame)
    stream.flush()


def answer(notebook, request):
    """Do what is asked; return the frame of what came of it, with the same number."""
    action = {"run": run, "call": call, "get": get}[request.pop("do")]
    number = {"number": request.pop("number")}
    try:
        return wire.encode(action(notebook, **request) | number)
    except wire.WireError as error:
        return wire.encode({"large": str(error)} | number)
    except BaseException as error:
        return wire.encode(raised(error) | number)


# What can be asked; each takes the notebook first


def run(notebook, source, title):
    """Run a cell; say whether lines were dropped that only a notebook understands."""
    notebook.dropped = 0
    notebook.run(source, title)
    return {"dropped": notebook.dropped}


def call(notebook, name, args, kwargs, tensors):
    """Call a function; return its result, and the arguments if it changed them.

    As where students check it, no warning is an error then.
    """
    before = wire.encode((args, kwargs))
    if tensors:
        args, kwargs = to_tensors(args), to_tensors(kwargs)
    with quiet(action="ignore"), wire.np.errstate(all="ignore"):
        result = notebook.names[name](*args, **kwargs)
    changed = wire.encode((args, kwargs)) != before
    return {"result": result, "changed": (args, kwargs) if changed else None}


def get(notebook, name):
    """Return the value that a name has, or say that it has none or is a function."""
    names = notebook.names
    if name not in names:
        return {"missing": True}
    if callable(names[name]):
        return {"function": True}
    return {"result": names[name]}


def to_tensors(value):
    """Replace each array by a tensor that shares its memory."""
    torch = sys.modules["torch"]
    if isinstance(value, wire.np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, list | tuple):
        return type(value)(to_tensors(item) for item in value)
    if isinstance(value, dict):
        return {key: to_tensors(item) for key, item in value.items()}
    return value


def raised(error):
    """Return an exception as data: the name of its class, its text, its line."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith("cell "):
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.lineno:
        line = error.lineno
    try:
        text = str(error)[:1000]
    except BaseException:
        text = "its text cannot be shown"
    torch = "torch" in sys.modules
    return {"raised": type(error).__name__, "text": text, "line": line, "torch": torch}


if __name__ == "__main__":
    main()
