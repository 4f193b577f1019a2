"""What differs between model families, and nothing else.

The rest of MR1 is generic over `AutoModelForImageTextToText`. This class does what holds for all of them; a family
whose packed rows are known to be exact has a class in `families/`. One that isn't listed still trains, by plain rows.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from mr1.errors import UserError
from mr1.models.pixels import PixelLimit, WholeTiles, fixed_size
from mr1.models.recurrent import has_shared_states
from mr1.models.routing import Routing, watch_routers
from mr1.models.sharing import FlatRow
from mr1.models.tiles import TileLimit
from mr1.types import Features, Prompt

Part = Literal["vision", "projector", "language"]
Way = Literal["flat", "state shared", "packed", "plain"]
"""How rows are made: flat, those of families with recurrent layers included, packed, or plain."""

VISION_TOKENS = (
    "image_token_id",
    "image_token_index",
    "video_token_id",
    "video_token_index",
    "audio_token_id",
    "audio_token_index",
    "vision_start_token_id",
    "vision_end_token_id",
)
"""Where configurations name the token ids that stand for, or around, what is not text."""
VISION_MARK = re.compile(
    r"image|img|<im_|res_im_|patch|tile|slice|frame_|vision|video|vid_|media_|audio|<so_|row_\d+_col_\d+", re.IGNORECASE
)
"""What is in the name of a special token that stands for, or around, what is not text."""


class Adapter:
    """A family's way of turning token ids, positions, a mask and images into hidden states."""

    packs: bool = False
    """Whether a group's completions may stand behind one prompt in one row, by a mask of our own making."""
    plain_because: str = "is not known to be packed exactly"
    """Why a family does not pack: what it does, or is."""
    pads: ClassVar[bool] = True
    """Whether a row that is padded at its left is the same row, for the rollout."""
    two_way: ClassVar[bool] = False
    """Whether all of a prompt's tokens see each other."""
    needs_images: ClassVar[bool] = False
    """Whether the processor refuses a prompt without an image."""
    shares: bool = False
    """Whether they may do so without a mask: the language model attends as `sharing.FlatRow` tells it."""
    tiles: ClassVar[TileLimit | None] = None
    """How its image processor says into how many tiles it cuts an image; None where it cuts none."""
    pixels: ClassVar[PixelLimit | None] = None
    """How its processor says how many pixels an image has; None where its tiles say it, or nothing does."""
    unlimited_because: ClassVar[str] = ""
    """Why neither can be set, in words behind the family's name, where that is not to be seen of the processor."""
    generation: ClassVar[dict[str, Any]] = {}
    """What transformers' `generate` has to be told of the family to write what the model is meant to."""
    vision_modules: ClassVar[tuple[str, ...]] = (
        "model.vision_tower",
        "model.visual",
        "model.vision_model",
        "model.vision_encoder",
    )
    """Where the vision tower is; the first that the model has."""
    more_vision_modules: ClassVar[tuple[str, ...]] = ()
    """Towers beside that one."""
    projector_modules: ClassVar[tuple[str, ...]] = (
        "model.multi_modal_projector",
        "model.connector",
        "model.aligner",
        "model.image_newline",
    )
    """What stands between the tower and the language model; it may be inside the tower."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        """Raises UserError for a family whose images can't be encoded apart from its language model."""
        self.model, self.tokenizer = model, tokenizer
        self.computed: torch.dtype | None = None
        self.pad_token_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        self.inner: Any = self.without_head(model)
        """The model without its head, which takes tokens and encoded images."""
        if not hasattr(self.inner, "get_image_features") or "mm_encoder_outputs" not in _arguments(self.inner.forward):
            raise UserError(
                f"model: the family '{model.config.model_type}' can't be trained: in transformers it has no image "
                "features apart from its language model (get_image_features, mm_encoder_outputs)"
            )
        self.image_token_id = next(
            int(token)
            for name in ("image_token_id", "image_token_index")
            if (token := getattr(model.config, name, None)) is not None
        )
        self.routes = watch_routers(model)
        """Whether the routers' choices of experts can be recorded and replayed."""
        self.vision_arguments = _arguments(self.inner.get_image_features)
        self.position_axes = 3 if hasattr(self.inner, "get_rope_index") else 1
        """Rows of `position_ids`: 3 for multimodal rotary positions (time, height, width), else 1."""

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in: its weights', but where what is divided are their masters."""
        return self.computed or self.model.dtype

    @property
    def way(self) -> Way:
        """How rows are made of groups; see `train.packing`."""
        if not self.packs:
            return "plain"
        if not self.shares:
            return "packed"
        return "state shared" if has_shared_states(self.model) else "flat"

    def without_head(self, model: Any) -> Any:
        """What `inner` is of a model."""
        return getattr(model, "model", None)

    def positions(self, input_ids: Tensor, vision: dict[str, Tensor]) -> tuple[Tensor, int]:
        """Positions of a prompt's (P,) tokens: (position_axes, P) int64, and the position that comes after them."""
        length = input_ids.shape[0]
        if self.position_axes == 1 or not vision:
            return torch.arange(length).expand(self.position_axes, length), length
        # Multimodal rotary positions go on after an image at the larger side of its grid, not at its number of tokens.
        positions, _ = self.inner.get_rope_index(
            input_ids[None],
            image_grid_thw=vision["image_grid_thw"],
            mm_token_type_ids=(input_ids == self.image_token_id).long()[None],
        )
        return positions[:, 0], int(positions.max()) + 1

    def collate_vision(self, prompts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Several prompts' image tensors as one batch, images in the prompts' order."""
        names = dict.fromkeys(itertools.chain.from_iterable(prompts))
        return {name: torch.cat([vision[name] for vision in prompts]) for name in names}

    def as_given(self, vision: dict[str, Tensor]) -> dict[str, Tensor]:
        """Image tensors as the model takes them: on its device, and in its dtype where the processor's is short."""
        short = (torch.bfloat16, torch.float16)
        dtypes = {name: self.dtype if each.dtype in short else each.dtype for name, each in vision.items()}
        return {name: each.to(self.model.device, dtypes[name]) for name, each in vision.items()}

    def encode(self, prompts: Sequence[Prompt]) -> list[Features]:
        """Pass the images of prompts that have any through the vision tower and the projector, all at once.

        Raises:
            UserError: the model makes another number of image tokens than the processor made room for.
        """
        if not prompts:
            return []
        vision = self.as_given(self.collate_vision([prompt.vision for prompt in prompts]))
        output = self.encoder_features(self.inner.get_image_features(**vision, return_dict=True))
        counts = [int((prompt.input_ids == self.image_token_id).sum()) for prompt in prompts]
        flat = _flat(output.pooler_output)
        if len(flat) != sum(counts):
            raise UserError(
                f"model: its vision tower makes {len(flat)} image tokens where its processor made room for "
                f"{sum(counts)}; do the model's folder and its processor's settings belong together?"
            )
        levels = [_flat(level).split(counts) for level in getattr(output, "deepstack_features", None) or ()]
        listed = not isinstance(output.pooler_output, Tensor)
        return [
            Features(embeddings, tuple(level[index] for level in levels), listed)
            for index, embeddings in enumerate(flat.split(counts))
        ]

    def encoder_features(self, output: Any) -> Any:
        """What the family's image features are, with `pooler_output` and perhaps `deepstack_features`."""
        return output

    def encoder_output(self, features: Sequence[Features]) -> Any:
        """Several prompts' features in the form in which the family's forward takes them."""
        embeddings = [each.embeddings for each in features]
        return SimpleNamespace(
            pooler_output=embeddings if features[0].listed else torch.cat(embeddings),
            deepstack_features=[list(level) for level in zip(*(each.deepstack for each in features), strict=True)],
        )

    def attention(self, mask: Tensor, input_ids: Tensor, position_ids: Tensor) -> Any:  # noqa: ARG002
        """What the model's forward takes as attention mask for rows in which the (B, 1, S, S) bool mask holds."""
        return self.as_taken(mask)

    def as_taken(self, mask: Tensor) -> Tensor:
        """A (B, 1, S, S) bool mask in the form that the model's attention takes."""
        if self.model.config._attn_implementation == "eager":  # it adds the mask to the scores
            zero = torch.zeros((), dtype=self.dtype, device=mask.device)
            return torch.where(mask, zero, torch.finfo(self.dtype).min)
        return mask

    def own_mask(
        self,
        input_ids: Tensor,
        mask: Tensor,
        cache: Any = None,  # noqa: ARG002
        prompt: int | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """What the family's forward takes beside token ids where it makes the mask itself, of a (B, K) bool one.

        `prompt` is how many tokens of a row its prompt has, where there is a completion behind it.
        """
        return {"attention_mask": mask, **self.text_arguments(input_ids)}

    def text_arguments(self, input_ids: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """What else the family's forward takes beside token ids where it makes the mask itself."""
        return {}

    def token_arguments(self, input_ids: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """What else the family's forward takes beside token ids in any row."""
        return {}

    def hidden_states(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        mask: Tensor | FlatRow,
        features: Sequence[Features | None],
        cache: Any = None,
        routing: Routing | None = None,
    ) -> Tensor:
        """Run the model without its head.

        Args:
            input_ids: (B, S) int64.
            position_ids: (position_axes, B, S) int64.
            mask: (B, 1, S, S) bool, True where a token may look; or (B, K) bool, True for what is no padding, where the
                model's own mask is wanted, K being S, or S more than the cache holds; or, where the family `shares`,
                what attends instead of a mask.
            features: each row's image features; None, or an empty list, where the rows have no image left to fill in.
            cache: keys and values of what came before; filled in place.
            routing: what happens with the choices of experts, of a family whose routers are watched (`routes`).

        Returns:
            (B, S, H) hidden states, ready for `head`.
        """
        arguments: dict[str, Any]
        if not isinstance(mask, Tensor):
            assert self.shares, "other families would attend as they always do"
            # A mask of four axes is taken as it is; this one keeps the model from making one of its own.
            nothing = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=input_ids.device)
            arguments = {"attention_mask": nothing, "sharing": mask}
        elif mask.ndim == 4:
            arguments = {"attention_mask": self.attention(mask, input_ids, position_ids)}
        else:
            arguments = self.own_mask(input_ids, mask, cache)
        if routing is not None:
            arguments["routing"] = routing
        if given := [each for each in features if each is not None]:
            arguments["mm_encoder_outputs"] = {"image": self.encoder_output(given)}
        output = self.inner(
            input_ids=input_ids,
            position_ids=position_ids if self.position_axes > 1 else position_ids[0],
            past_key_values=cache,
            use_cache=cache is not None,
            **self.token_arguments(input_ids),
            **arguments,
        )
        return output.last_hidden_state

    def head(self) -> nn.Module:
        """The module that turns hidden states into logits over the vocabulary."""
        return self.output_embeddings()

    def vocabulary(self) -> int:
        """V, the number of logits."""
        return int(self.output_embeddings().weight.shape[0])

    def output_embeddings(self) -> Any:
        """The linear layer at the model's end."""
        return self.model.get_output_embeddings()

    def vision_tower(self) -> nn.Module:
        """The module that each image passes through."""
        return self.model.get_submodule(self._present(self.vision_modules)[0])

    def passed(self, pixels: Tensor) -> int:
        """How many images, tiles or patches what the vision tower is given holds."""
        return pixels.shape[:2].numel() if pixels.ndim == 5 else len(pixels)

    def part_of(self, parameter: str) -> Part:
        """The part of the model that a parameter or module belongs to, by its dotted name."""
        if _below(parameter, self._present(self.projector_modules)):
            return "projector"
        vision = (*self._present(self.vision_modules)[:1], *self.more_vision_modules)
        return "vision" if _below(parameter, vision) else "language"

    def forbidden_tokens(self) -> list[int]:
        """Token ids that a policy must never sample: they stand for or around images and video, or they pad."""
        ids = {getattr(self.model.config, name, None) for name in VISION_TOKENS} | {self.pad_token_id}
        special = {id for id, token in self.tokenizer.added_tokens_decoder.items() if VISION_MARK.search(token.content)}
        return sorted({int(token) for token in ids if token is not None} | special)

    def pixel_limit(self, images: Any) -> PixelLimit | None:
        """How an image processor of the family says how many pixels an image has; None where it doesn't."""
        return self.pixels or (WholeTiles(self.tiles) if self.tiles and self.tiles.pixels(images) else None)

    def limit_pixels(self, processor: Any, minimum: int | None, maximum: int | None) -> None:
        """Let the processor make images no smaller and no larger than this, in pixels.

        Raises:
            UserError: the family has no such setting, or the limits leave no size between them.
        """
        limit = self.pixel_limit(processor.image_processor)
        if limit is None:
            setting = "max_pixels" if maximum else "min_pixels"
            raise self._without(setting, fixed_size(processor.image_processor) or "has no limit in pixels")
        if minimum and not limit.lower:
            raise self._without("min_pixels", "has an upper limit of pixels alone")
        limit.set(processor, minimum, maximum)

    def limit_tiles(self, processor: Any, most: int) -> None:
        """Let the processor cut an image into no more tiles than this, beside the whole image where it gives that too.

        Raises:
            UserError: the family cuts no images, or none into so few.
        """
        if self.tiles is None:
            raise self._without("max_tiles", "cuts no image into tiles")
        if most < (least := self.tiles.least(processor.image_processor)):
            raise UserError(f"loading.max_tiles: an image has at least {least} tiles beside itself; set it no lower")
        self.tiles.set(processor.image_processor, most)

    def _without(self, setting: str, reason: str) -> UserError:
        reason = self.unlimited_because or reason
        return UserError(f"loading.{setting}: the family '{self.model.config.model_type}' {reason}; leave it out")

    def follow(self, processor: Any) -> None:
        """Let the model's configuration say the same as its processor's settings, where both have them."""

    def _present(self, names: Iterable[str]) -> list[str]:
        """Those of the dotted names that the model has."""
        return [name for name in names if _has(self.model, name)]


def _arguments(function: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def _flat(features: Any) -> Tensor:
    """Image features in whatever form a family has them, as (I, H)."""
    parts = [features] if isinstance(features, Tensor) else features
    return torch.cat([part.flatten(0, -2) for part in parts])


def _below(name: str, modules: Iterable[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _has(model: Any, name: str) -> bool:
    for part in name.split("."):
        model = getattr(model, part, None)
    return model is not None
