"""A run's settings as one typed tree. What each setting means stands under it.

Everything that can be wrong with a recipe by itself is found before a model or a library of the field is loaded: what a
setting takes is said here, what settings ask of each other in `checks.py`, and what a method demands in its `check`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from mr1.data.settings import MOST, Location, Prose, Settings, Source, Text
from mr1.endpoint.settings import Endpoint, address
from mr1.types import Aggregation, KLEstimator

PROMPT = (
    "{question}  Output the thinking process in <think> </think> and final answer (number) in <answer> </answer> tags."
)
"""R1-V's training prompt, two spaces included."""

EVALUATION_PROMPT = PROMPT.replace("  ", " ")
"""R1-V's evaluation prompt for GeoQA: the same with one space."""

REWARDS = {"accuracy": 1.0, "format": 1.0}

CHECKPOINTS = 10
"""In a run, about, where the recipe doesn't say."""

HIGH = 1e9
"""No weight, norm or factor goes above: products with it stay finite in float32."""

HOTTEST = 5.0
"""The highest temperature with vLLM, where forbidden tokens are only made unlikely (`rollout.vllm.wire`)."""


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"\w([\w.-]*[\w-])?", name) or len(name.encode()) > 200:
        raise ValueError(
            "it names a folder, so it has at most 200 bytes of letters, digits, and . _ -, no . or - at its beginning "
            "and no . at its end"
        )
    return name


Name = Annotated[Text, AfterValidator(_folder_name)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
Count = Annotated[int, Field(ge=0, le=MOST)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=HIGH)]
Share = Annotated[float, Field(gt=0, lt=1)]
Limit = Annotated[float, Field(gt=0, le=HIGH)]


class Loading(Settings):
    """How the model and its processor are loaded."""

    revision: Text | None = None
    """A branch, tag or commit on the hub; null for the main branch."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the weights and the forward. Log-probs, softmax, advantages and the optimizer's state are float32 anyway."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """transformers' attn_implementation, of those that take the mask of a packed row."""
    quantize: Literal["nf4"] | None = None
    """Keep the weights of the language model's linear layers in four bits; low-rank weights learn beside them."""
    trust_remote_code: bool = False
    """Whether code that comes with the model may be run."""
    min_pixels: Positive | None = None
    """Smaller images are scaled up to this many pixels; null for the processor's own limit."""
    max_pixels: Positive | None = None
    """Larger images are scaled down to this many pixels; null for the processor's own limit."""
    max_tiles: Positive | None = None
    """An image is cut into no more tiles than this, in families that cut them; null for the processor's own limit."""


class LoRA(Settings):
    """Low-rank adaptation; without a rank all weights learn."""

    rank: Positive | None = None
    """Of the low-rank products; null for none of them."""
    alpha: Annotated[float, Field(gt=0, le=HIGH)] | None = None
    """The low-rank product is scaled by alpha / rank; null for twice the rank."""
    targets: list[Text] = Field(default=[])
    """Names of linear layers, such as q_proj, and experts' weights, such as down_proj; empty for all linear layers."""


class Rollout(Settings):
    """How completions are sampled."""

    group_size: Annotated[int, Field(ge=2, le=MOST)] = 8
    """G, completions of each prompt. Advantages compare them, so one is not enough."""
    temperature: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0
    """Logits are divided by it, in sampling and in scoring. Held-out accuracy is greedy."""
    top_p: Annotated[float, Field(ge=1e-6, le=1)] = 1.0
    """Sampled from the likeliest tokens that together have this probability; 1 for all."""
    max_new_tokens: Positive = 512
    """The longest completion; in evaluations too."""
    batch_size: Positive = 256
    """Completions that are decoded side by side, at most; in evaluations too."""
    routing: Literal["free", "count", "replay"] = "free"
    """The choice of experts in training: as it comes; counted where it is not the sampler's; or the sampler's."""
    engine: Literal["local", "vllm"] = "local"
    """Who writes completions: the model in the run's process, or vLLM servers; in evaluations too."""
    servers: list[Annotated[Text, AfterValidator(address)]] = Field(default=[])
    """Addresses of the vLLM servers, such as `http://localhost:8000`."""
    timeout: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    """Seconds that a server has for one prompt's completions, or for taking up weights, before another one is asked."""
    ahead: Annotated[int, Field(ge=0, le=1)] = 0
    """Batches that are sampled ahead, beside the update: 1 is written by the policy of one step before."""
    correction: Literal["none", "token", "sequence"] | None = None
    """Truncated importance sampling from the sampler's probabilities to the trainer's, by the token or the whole
    completion; null: token with vLLM or a batch ahead, none with the local engine."""
    correction_cap: Annotated[float, Field(ge=1, le=HIGH)] = 2.0
    """The most that a token's part of the loss is multiplied by."""

    @property
    def correction_level(self) -> Literal["none", "token", "sequence"]:
        """`correction`, or what it is where it is null."""
        return self.correction or ("token" if self.engine == "vllm" or self.ahead else "none")


class RewardFunctions(Settings):
    """What reward functions of one's own may take, and what their failures come to."""

    timeout: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """Seconds for a group: each function then runs in a process of its own, which is ended where it takes longer; null:
    within the run's process, as long as they like."""
    skip: list[Text] = Field(default=[])
    """Functions that, where they fail, have the group left out and counted; a failure of others ends the run."""


class KL(Settings):
    """The price of leaving the reference: who decides its weight beta, and how the distance enters the loss."""

    controller: Literal["constant", "grpo-d", "linear", "cosine", "adaptive", "accuracy", "difficulty"] | None = None
    """Who decides beta at each step; null for the method's own: grpo-d for grpo-d, constant for the others."""
    estimator: KLEstimator = "k3"
    """k3, k2 and k3-ratio (k3 times the importance ratio) stand in the loss, k1 in the reward."""
    weight: Weight | None = None
    """beta: at every step, or where it begins."""
    final: Weight | None = None
    """beta at the run's end."""
    minimum: Weight | None = None
    """beta_min of Eq. 3, and the floor of what moves by itself."""
    maximum: Weight | None = None
    """beta_max of Eq. 3, and the ceiling of what moves by itself."""
    exploration: Annotated[float, Field(gt=0, le=1)] | None = None
    """w of Eq. 3 as a fraction of `steps`."""
    target: Annotated[float, Field(gt=0, le=HIGH)] | None = None
    """The KL that is wanted, in nats per token: the metric `kl`."""
    horizon: Annotated[float, Field(ge=1, le=HIGH)] = 10.0
    """Steps: beta changes by at most 0.2 / horizon of itself at each; Ziegler's K is 1 / horizon."""
    reset_every: Count = 0
    """Steps after which the reference becomes the policy as it is, and AdamW begins anew; 0 for never."""
    reset_patience: Count = 0
    """Evaluations without a better held-out accuracy after which the same is done; 0 for never."""

    @property
    def resets(self) -> bool:
        """Whether the reference may become the policy as it is on the way."""
        return bool(self.reset_every or self.reset_patience)


class Clip(Settings):
    """The range of the ratio between the policy and the one that sampled: [1 - low, 1 + high]."""

    low: Annotated[float, Field(gt=0, le=1)] | None = None
    """How far below 1 the ratio still counts; null for the method's own, which most have at 0.2."""
    high: Annotated[float, Field(gt=0, le=HIGH)] | None = None
    """How far above 1; null for the method's own."""
    dual: Annotated[float, Field(gt=1, le=HIGH)] | None = None
    """The most that a ratio counts where the advantage is negative: the dual clip's c; null for the method's
    own, which most don't have."""


class Loss(Settings):
    """How the tokens' terms become one loss, and what is added to it."""

    aggregation: Aggregation | None = None
    """completion: the mean over each one's tokens, then over completions; token: the mean over the batch's tokens;
    constant: their sum / (completions * `rollout.max_new_tokens`); null for the method's own."""
    entropy: Weight = 0.0
    """Of a bonus for the entropy of what is drawn from, the metric `entropy`, with its gradient."""


class Demonstrations(Settings):
    """What method sft learns from, and what an external completion of rl-plus is."""

    teacher: Literal["perfect", "hasty"] = "perfect"
    """`perfect` solves every sample; `hasty` has the habits that its task's page describes."""
    reasoning: bool = True
    """Whether the reasoning is learned or the bare answer alone."""


class Parts(Settings):
    """Learning rates of the model's parts; null for `optimizer.learning_rate`, 0 to freeze the part."""

    vision: Rate | None = None
    """The vision tower's."""
    projector: Rate | None = None
    """Of what makes the tower's features the language model's."""
    language: Rate | None = None
    """The language model's."""


class Optimizer(Settings):
    """AdamW, with the gradient clipped by its norm."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-6
    """At the schedule's top."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """How much of AdamW's running means of the gradient and of its square stays at each step."""
    weight_decay: Weight = 0.0
    """AdamW's; biases and norms are spared."""
    max_grad_norm: Annotated[float, Field(gt=0, le=HIGH)] = 1.0
    """A gradient with a larger norm is scaled down to it."""
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    """How the learning rate goes to 0 over the run, after the warm-up."""
    warmup: Fraction = 0.0
    """The fraction of the run over which the learning rate rises from 0."""
    parts: Parts = Parts()


class Evaluation(Settings):
    """Held-out accuracy, greedy."""

    tasks: list[Text] = Field(default=["counting", "geometry"])
    """The trained task and those that what was learned may transfer to."""
    prompt: Prose | None = None
    """The user's turn in evaluation; null for the one that is trained with."""
    every: Count = 0
    """Steps between evaluations on the validation split; 0 for none during training."""
    samples: Positive = 128
    """Validation samples of each task at each evaluation."""
    final_samples: Count = 512
    """Test samples of each task, before and after the run; 0 for none."""


class Data(Settings):
    """What holds for all sources."""

    max_unusable: Fraction = 0.01
    """The share of a split's rows that may be unusable and left out; where more are, and over 5 rows, the run ends."""


class Checkpoint(Settings):
    """When the policy and all that a resumed run needs are saved. The end of a run is always saved."""

    every: Count | None = None
    """Steps between checkpoints; null for about ten in a run, 0 for the end alone."""
    keep: Positive = 2
    """The latest so many stay; older ones are removed."""
    keep_every: Count = 0
    """Steps between checkpoints that stay for good, beside the latest; 0 for none."""
    keep_best: bool = False
    """Whether the best on the validation split stays too, by accuracy on the trained tasks where they are evaluated."""


GuardName = Literal[
    "held_out", "length", "dominance", "no_spread", "entropy", "kl", "truncated", "undecided", "sampler_gap"
]


class Guards(Settings):
    """When a run warns of itself. Each guard has a limit, or null, which switches it off; the page of guards says why
    the limits are what they are."""

    window: Positive = 10
    """Batches of rollouts that a guard looks at together; none says anything before there are so many."""
    held_out: Limit | None = 2.5
    """Standard errors that validation accuracy may fall below its best, twice running, while the reward rises."""
    length: Annotated[float, Field(gt=1, le=HIGH)] | None = 2.0
    """How many times as long, or as short, as in the run's first window completions may be."""
    dominance: Share | None = 0.95
    """The share of the differences between totals that one reward may make where other rewards differ too."""
    no_spread: Share | None = 0.8
    """The share of groups whose completions may all have earned the same."""
    entropy: Share | None = 0.2
    """What must be left of the entropy of the run's first window, as a share of it."""
    kl: Limit | None = 0.5
    """Nats per token that the policy may be away from its reference."""
    truncated: Share | None = 0.2
    """The share of completions that may be cut off at `rollout.max_new_tokens`."""
    undecided: Share | None = 0.02
    """The share of completions on which the judge may not be able to decide."""
    sampler_gap: Limit | None = 1.0
    """Times what rounding makes of the sampler's gap (1e-4 nats per token in float32, 0.02 in bfloat16)."""
    not_finite: Positive | None = 3
    """Steps in a row that are skipped, as loss or gradient is not finite, before the run ends, with a checkpoint."""
    stop: list[GuardName] = Field(default=[])
    """Guards that end the run, with a checkpoint, when they begin to hold."""


class MethodSettings(Settings):
    """How rollouts become a gradient: a method's name, or a mapping of its name and the settings that it alone has."""

    name: Text
    """Of a method, or `file.py:Class` or `package.module:Class` for one's own."""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        return {"name": given} if isinstance(given, str) else given

    @model_serializer(mode="wrap")
    def _in_short(self, serialize: SerializerFunctionWrapHandler) -> Any:
        settings = serialize(self)
        return settings if len(settings) > 1 else settings["name"]


class UnreadMethod(MethodSettings):
    """Settings of a method of one's own whose code has not been run: they are taken as they stand."""

    model_config = ConfigDict(extra="allow")


class Parallel(Settings):
    """How the processes that torchrun has started share a run; one process alone reads none of it."""

    shard: Positive | None = None
    """Processes that the weights are divided among; null for all of them, or for those of one replica."""
    replicate: Positive = 1
    """Replicas of the divided weights, such as one on each node; times `shard` it is the number of processes."""
    timeout: Annotated[float, Field(gt=0, le=HIGH)] = 1800.0
    """Seconds that a process waits for the others before the run ends and says who waits for whom."""


class StageSettings(Settings):
    """A stage of a run: it begins with the policy as the stage before left it, and with all else anew."""

    share: Limit = 1.0
    """Its part of the run's steps, beside the other stages' shares."""
    settings: dict[Text, Any] = Field(default={})
    """What it has otherwise than the run, by key: its tasks, method, rewards, learning rate and more."""


class Config(Settings):
    """A run."""

    name: Name
    """The run's folder below `output`."""
    output: Annotated[Location, AfterValidator(os.path.expanduser)] = "runs"
    """The folder of the runs' folders."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of training samples, sampling and new weights. Held-out samples are the same for all seeds."""
    steps: Annotated[int, Field(ge=1, le=999_999)]
    """Optimiser steps: t of Eq. 3. Files of a step have its number in six digits."""
    method: MethodSettings
    """How rollouts become a gradient."""
    model: Location = "tiny"
    """A bundled model's name, a Hugging Face folder, or a hub id."""
    loading: Loading = Loading()
    lora: LoRA = LoRA()
    gradient_checkpointing: bool = False
    """Whether activations are made again in the backward pass: less memory, a third more time."""
    task: Text | list[Text]
    """What is trained on, procedural tasks or sources; several take turns."""
    sources: dict[Name, Source] = Field(default={})
    """Data of one's own, by the name under which it is a task."""
    data: Data = Data()
    prompt: Prose = PROMPT
    """The user's turn, behind the images; `{question}` is put in. A source's row that is a chat is taken as it is."""
    max_prompt_tokens: Positive | None = None
    """A row with a longer prompt is left out, not cut; null: what the model's positions leave beside a completion."""
    image_cache: Count = 512
    """MiB of the host's memory for images that come again, decoded and preprocessed; 0 to make them anew each time."""
    prompts_per_step: Positive = 16
    """Groups in a batch."""
    updates_per_rollout: Positive = 1
    """Optimiser steps on each batch of rollouts; above 1 the ratio and its clip matter."""
    tokens_per_microbatch: Positive = 8192
    """Packed tokens, with padding, that pass through the model at once. Changes memory and speed, not the result."""
    samples_every: Positive = 1
    """Steps between batches that are kept with their images in `samples/`."""
    rewards: dict[Text, Annotated[float, Field(ge=-HIGH, le=HIGH)]] = REWARDS
    """Weight of each reward in the total; Eq. 1's alpha is `rewards.format`."""
    reward_functions: RewardFunctions = RewardFunctions()
    rollout: Rollout = Rollout()
    endpoint: Endpoint = Endpoint()
    kl: KL = KL()
    clip: Clip = Clip()
    loss: Loss = Loss()
    demonstrations: Demonstrations = Demonstrations()
    optimizer: Optimizer = Optimizer()
    evaluation: Evaluation = Evaluation()
    checkpoint: Checkpoint = Checkpoint()
    guards: Guards = Guards()
    parallel: Parallel = Parallel()
    stages: dict[Name, StageSettings] = Field(default={})
    """Stages in their order, by name; none for a run that is one."""

    @property
    def tasks(self) -> list[str]:
        """The trained tasks as a list."""
        return [self.task] if isinstance(self.task, str) else self.task

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.output) / self.name

    @property
    def measured_splits(self) -> dict[str, int]:
        """How many samples of each evaluation task are measured, by the split; those that are not are left out."""
        evaluation = self.evaluation
        counts = {"test": evaluation.final_samples, "validation": evaluation.samples if evaluation.every else 0}
        return {split: count for split, count in counts.items() if count}

    @property
    def judged_splits(self) -> set[str]:
        """The splits on which the judge compares what is written with the rows' answers."""
        from mr1.methods import method_class

        unread = isinstance(self.method, UnreadMethod)
        trained = "accuracy" in self.rewards and (unread or "rewards" in method_class(self.method.name).uses)
        return {*self.measured_splits, *(["train"] if trained else [])}

    @property
    def steps_between_checkpoints(self) -> int:
        """0 for the end alone."""
        if self.checkpoint.every is not None:
            return self.checkpoint.every
        batches = self.steps // self.updates_per_rollout
        return self.updates_per_rollout * -(-batches // CHECKPOINTS)
