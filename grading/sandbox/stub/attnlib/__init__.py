"""What stands for attnlib while an assignment is graded whose release imports none."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(
        f"attnlib.{name} is not there when this assignment is graded: "
        "write what the task asks for yourself"
    )
