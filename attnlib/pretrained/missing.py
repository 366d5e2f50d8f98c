"""What a notebook does where the weights of a model are not installed."""

import textwrap


def load_or_leave_out(load, name=""):
    """Return load(); without the weights, leave out the cells that mention `name`.

    Such a cell then says so; without a name, so does every cell that follows. Returns
    None there, and prints how to get the weights.
    """
    try:
        return load()
    except FileNotFoundError as missing:
        print(textwrap.fill(f"No weights: {missing}", 68, break_on_hyphens=False))

    def leave_out(lines):
        needs = any(name in line for line in lines)
        return ["print('left out: needs the weights')\n"] if needs else lines

    from IPython import get_ipython

    get_ipython().input_transformers_cleanup.append(leave_out)
    return None
