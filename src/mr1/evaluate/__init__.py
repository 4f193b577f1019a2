"""Evaluation: accuracy on held-out samples, with its interval. `mr1.evaluate(...)` is `mr1.library.evaluate`."""

import sys

from mr1.callable import CallablePackage

sys.modules[__name__].__class__ = CallablePackage
