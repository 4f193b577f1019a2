"""MR1 from Python: train and evaluate, with data and rewards that are in memory, and read what they leave behind."""

from mr1.library.evaluating import evaluate
from mr1.library.results import EvaluationResult, RunResult
from mr1.library.training import train

__all__ = ["EvaluationResult", "RunResult", "evaluate", "train"]
