"""What stands for the checkers while a notebook is graded: they run elsewhere."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return lambda *args, **kwargs: None
