"""Figures that answer: live ipywidgets in a notebook, and the same in a static page.

>>> from attnlib.widgets import SoftmaxScale          # doctest: +SKIP
>>> figure = SoftmaxScale(d_k=64, scaled=False)       # doctest: +SKIP
>>> figure                                            # doctest: +SKIP

They need anywidget (`pip install "attnlib[widgets]"`).
"""

from attnlib.widgets.attention_explorer import AttentionExplorer
from attnlib.widgets.cost_calculator import CostCalculator
from attnlib.widgets.kernel_smoother import KernelSmoother
from attnlib.widgets.online_softmax_stepper import OnlineSoftmaxStepper
from attnlib.widgets.path_length import PathLength
from attnlib.widgets.playground import Playground
from attnlib.widgets.qkv_stepper import QKVStepper
from attnlib.widgets.softmax_scale import SoftmaxScale

__all__ = [
    "AttentionExplorer",
    "CostCalculator",
    "KernelSmoother",
    "OnlineSoftmaxStepper",
    "PathLength",
    "Playground",
    "QKVStepper",
    "SoftmaxScale",
]
