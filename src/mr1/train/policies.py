"""The policy of a run, what of it is whole where its weights are divided, and what it is compared with."""

from __future__ import annotations

from collections.abc import Iterable

from mr1.config import Config
from mr1.data.source import SourceTask
from mr1.models.fingerprint import weights_fingerprint
from mr1.models.loading import load_vlm
from mr1.models.policy import Reference, make_policy
from mr1.models.saved import has_shards
from mr1.models.vlm import VLM
from mr1.parallel import ranks
from mr1.parallel.sharding import shard, whole_copy
from mr1.train.checkpoint import Checkpoint
from mr1.train.resume import compare_model, find_origin
from mr1.train.shards import read_weights


class Policies:
    """See the module."""

    def __init__(self, config: Config, resumed: Checkpoint | None, sources: Iterable[SourceTask]) -> None:
        """Load the policy, as a checkpoint has it where the run is resumed.

        Raises:
            UserError: the model can't be loaded, lacks what is asked for, or is another one by now.
        """
        self.config, self.start = config, resumed.step if resumed else 0
        name = str(resumed.path) if resumed else config.model
        self.policy = make_policy(load_vlm(name, config.loading), config, resumed=bool(resumed))
        self.origin = resumed.state["origin"] if resumed else find_origin(self.policy, sources)
        if resumed and config.lora.rank is not None:
            self._compare_origin(self.policy)
        self.whole = whole_copy(self.policy, apart=bool(config.rollout.ahead))
        """What completions are sampled from: the policy, or a model with all of its weights, where they are divided or
        change while it samples."""
        shard(self.policy, config.parallel)
        if resumed and ranks.several() and has_shards(resumed.path):
            read_weights(resumed.path, self.policy)  # again, now that there are masters

    def reference(self, moved: bool, later: bool) -> Reference:
        """The policy as it was before a stage's first step.

        Args:
            moved: whether its weights come from elsewhere.
            later: whether the stage is not the run's first, so that the policy is as the one before left it.

        Raises:
            UserError: the model that the run began with is needed, and has changed since.
        """
        reference = Reference(self._as_it_is() if moved or later else self._beginning())
        if reference.own is not None:
            shard(reference.own, self.config.parallel)
        if later and not moved:
            reference.reset(self.policy)
        return reference

    def _as_it_is(self) -> VLM:
        """The policy, or where its weights are divided, and none of them low-rank, what has all of them."""
        return self.policy if self.config.lora.rank is not None else self.whole

    def _beginning(self) -> VLM:
        """The policy before step 0: as it is at the start, or with low-rank weights that can be switched off."""
        if self.start == 0 or self.config.lora.rank is not None:
            return self._as_it_is()
        revision = self.origin["commit"] or self.config.loading.revision
        loading = self.config.loading.model_copy(update={"revision": revision})
        beginning = make_policy(load_vlm(self.config.model, loading), self.config)
        self._compare_origin(beginning)
        return beginning

    def _compare_origin(self, beginning: VLM) -> None:
        compare_model(self.config.model, self.origin["weights"], weights_fingerprint(beginning, low_rank=False))
