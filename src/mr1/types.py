"""The values that flow through MR1, in the order in which they come to be.

    Sample -> Prompt -> Completion -> Group -> LossInputs -> LossOutput

Each is a plain dataclass that a test can build by hand. Nothing here computes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mr1.judge.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image
    from torch import Tensor

Origin = Literal["policy", "engine", "expert", "replay"]
"""Who wrote a completion: the policy as it is, an engine whose weights may lag, a teacher or another model, an earlier
policy."""
FinishReason = Literal["stop", "length", "string"]
"""A stop token, the budget of tokens, or a string that ends a part of a completion (`Engine.extend`)."""

KLEstimator = Literal["k3", "k2", "k3-ratio", "k1"]
"""How the distance to the reference enters the loss (`algo.objective.grpo_loss`)."""

Aggregation = Literal["completion", "token", "constant"]
"""How the tokens' terms become one loss (`algo.aggregation`)."""

IMAGE_PLACE = "<image>"
"""In a question: where an image stands in the words."""


@dataclass(frozen=True)
class Sample:
    """One problem as a task states it. Nothing of a model is in it."""

    id: str
    """Unique across tasks, splits and seeds: seeds of the sampler and file names are made from it."""
    images: tuple[Image, ...]
    question: str
    """Where it holds IMAGE_PLACE it does so once for each image; else images stand in front."""
    answer: str
    """The truth, as text: what a completion states to be right, and a demonstration shows."""
    reasoning: str = ""
    """A correct reference reasoning that ends in the answer; empty where the task has none."""
    meta: dict[str, Any] = field(default_factory=dict)
    """What the problem was made from (the scene, the points, the theorem) or the source's further columns."""
    messages: tuple[dict[str, Any], ...] = ()
    """The prompt where the source has it as a chat, images as placeholders; empty for one user turn by the template."""
    stated: Truth | None = None
    """What is accepted as right, where the source says more than `answer` does."""

    @property
    def truth(self) -> Truth:
        """What a completion is judged by."""
        return self.stated or Truth((self.answer,))


@dataclass
class Features:
    """What the vision tower and the projector made of one prompt's images: I image tokens of width H."""

    embeddings: Tensor
    """(I, H): what the image placeholders' embeddings are replaced with."""
    deepstack: tuple[Tensor, ...] = ()
    """(I, H) each: what is added to the hidden states of language layers, or what else a family's forward takes."""
    listed: bool = False
    """Whether the family's forward takes several prompts' embeddings as a list, not as one tensor."""


@dataclass
class Prompt:
    """A Sample made ready once for one model. Lengths: P tokens."""

    sample: Sample
    text: str
    """The prompt as the chat template wrote it, before image placeholders are expanded."""
    input_ids: Tensor
    """(P,) int64, image placeholders expanded."""
    vision: dict[str, Tensor]
    """What the image processor made of all the images, by the model's own argument names; empty without an image."""
    position_ids: Tensor
    """(A, P) int64, A the family's number of position axes (3 for multimodal rotary positions, else 1)."""
    next_position: int
    """The position, on every axis, of the first token after the prompt."""
    opened: str = ""
    """What the chat template has written of the assistant's turn, from its first tag on, such as `<think>`."""
    features: Features | None = None
    """The images' features where nothing that makes them learns, so that they are made once; else None."""
    ahead: Ahead | None = None
    """What the policy has made of it ahead of the rollout; None once it has been used, or where nothing was made."""
    attempt: int = 0
    """How often its sample has been drawn before for the same step: the same prompt is then sampled differently."""

    def __len__(self) -> int:
        return int(self.input_ids.shape[0])


@dataclass
class Prefix:
    """What a prompt's pass through the language model leaves for the tokens behind it."""

    hidden: Tensor
    """(H,): the last token's hidden state, ready for the head."""
    states: list[tuple[Tensor, ...]]
    """Each layer's keys and values, (key heads, P, D); of a recurrent layer its last states."""


@dataclass
class Ahead:
    """What a policy made of a prompt before the rollout, with gradient, for the rollout and the first update behind it.

    It is of the weights as they were: whoever changes them lets go of it (`Prompt.ahead`). One backward pass at most
    may go through it.
    """

    owner: object
    """The model that made it. Another one, such as the reference, takes no notice of it."""
    features: Features | None
    """Of the images; None where there are none."""
    prefix: Prefix | None = None
    """Of the whole prompt; None where the family can't share it."""


@dataclass
class Routes:
    """The experts that a completion's tokens went to as they were sampled, k in each of L layers; -1 where unknown."""

    prompt: Tensor
    """(P, L, k) int16, one tensor for all completions of a group."""
    own: Tensor
    """(T, L, k) int16."""


@dataclass
class Completion:
    """What the policy, or a teacher, wrote to a prompt. Lengths: T tokens."""

    token_ids: Tensor
    """(T,) int64, the stop token included where there is one."""
    logprobs: Tensor | None
    """(T,) float32, log-probs under the distribution drawn from; None where a teacher wrote the text."""
    text: str
    """Decoded without special tokens; what stands before it in the same turn is `Prompt.opened`."""
    mask: Tensor
    """(T,) bool: True where the policy is answerable for the token, False where it was put in."""
    finish_reason: FinishReason
    old_logprobs: Tensor | None = None
    """Log-probs of the tokens that count, under the policy that sampled them; set by the first update."""
    ref_logprobs: Tensor | None = None
    """The same under the reference; None while it has not been run on them."""
    origin: Origin = "policy"
    advantages: Tensor | None = None
    """(T,) float32, of each token; what stands where `mask` is False does not count."""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    """A method's own, (T,) each, which its loss is given."""
    routes: Routes | None = None
    """Which experts its tokens went to, where the rollout recorded it."""

    def __len__(self) -> int:
        return int(self.token_ids.shape[0])


@dataclass
class Group:
    """One prompt, its G completions, and what they are worth."""

    prompt: Prompt
    completions: list[Completion]
    scores: dict[str, Tensor] = field(default_factory=dict)
    """Each reward's raw score, (G,) float32, by the reward's name."""
    not_finite: dict[str, Tensor] = field(default_factory=dict)
    """(G,) bool, of rewards of one's own: where one gave NaN or infinity, or failed; of a judge's: where it failed. The
    score is NaN there, as where a reward does not apply."""
    rewards: Tensor | None = None
    """(G,) float32: the weighted sum of the scores; NaN for a completion that does not count."""
    failures: dict[str, str] = field(default_factory=dict)
    """What those rewards of one's own did that failed for the group and are to be skipped, by their names."""


@dataclass
class LossInputs:
    """A micro-batch, flattened to the N tokens that count (masked ones are left out)."""

    logprobs: Tensor
    """(N,) float32 with gradient: log pi_theta."""
    old_logprobs: Tensor
    """(N,) float32: log pi_old, the policy as it was when the batch was sampled."""
    ref_logprobs: Tensor | None
    """(N,) float32: log pi_ref; None where the reference was not run
    (`Method.needs_reference`)."""
    advantages: Tensor
    """(N,) float32: each token's advantage."""
    weights: Tensor
    """(N,) float32: each token's weight in the whole batch's loss (`Method.token_weights`), times the correction of
    what another program sampled (`algo.correction`)."""
    shares: Tensor
    """(N,) float32: each token's share of the batch's means, such as the metrics. They add up to 1 over all
    micro-batches, whatever the weights do (`Method.token_shares`)."""
    kl_weights: Tensor
    """(N,) float32: beta, each token's completion's."""
    completion: Tensor
    """(N,) int64: the number of each token's completion in the whole batch. None is ever torn apart."""
    group: Tensor
    """(N,) int64: the number of its group in the whole batch, which is in one micro-batch where the method asks for it
    (`Method.indivisible`)."""
    behaviour_logprobs: Tensor
    """(N,) float32: log-probs under whatever the token was drawn from, by its sampler; NaN where nobody knows, as of a
    teacher's. `old_logprobs` are the trainer's own."""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    """The method's own, (N,) each (`Completion.tensors`)."""
    hidden: Tensor | None = None
    """(N, H) hidden states that each token is predicted from, with gradient; None where the method does not ask for
    them (`Method.reads`)."""
    entropy: Tensor | None = None
    """(N,) float32 with gradient: the entropy of the distribution that each token is drawn from, in nats; None where
    the method does not ask for it (`Method.reads`)."""


@dataclass
class MicroBatch:
    """What a method may look at beside the loss of each token."""

    groups: list[Group]
    """Whole ones, or parts of those that are torn apart."""
    inputs: LossInputs
    features: list[Features | None]
    """Of each group's images, with gradient where anything that makes them learns; empty where the method does not ask
    for them (`Method.reads`)."""
    run: Callable[[Any], Tensor]
    """Runs another model, such as a critic, on the same tokens, with gradient: its (N, H) hidden states that they are
    predicted from."""


@dataclass
class LossOutput:
    """A micro-batch's part of the batch's loss; parts add up, because weights and shares are of the whole batch."""

    loss: Tensor
    """Scalar with gradient."""
    metrics: dict[str, Tensor]
    """Scalars without gradient; the sum over micro-batches is the batch's value."""
