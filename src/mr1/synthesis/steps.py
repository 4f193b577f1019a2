"""The pipeline: a picture is described, asked after and described again; questions about it are written, filtered and
answered twice; what agrees is kept.

Each step takes what the one before it left, and asks one model about all of it at once. The steps and which model does
what are WeThink's (arXiv 2506.07905) by its README and second hand. MR1's own: how the third model decides (it answers
by itself, and the judge says whose answer that is), and that prose agrees where the reward `judge-tiers` would be 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mr1.endpoint.cache import content_key
from mr1.endpoint.client import Question
from mr1.errors import UnusableError
from mr1.judge.truth import Truth
from mr1.synthesis import prompts, replies
from mr1.synthesis.asking import Models
from mr1.synthesis.checks import LostError, fault, states, truth_of
from mr1.synthesis.pictures import Picture
from mr1.synthesis.replies import Answer, Draft, Unread
from mr1.synthesis.row import Asked, Form, Outcome, worded
from mr1.synthesis.settings import Make
from mr1.types import Sample


@dataclass
class Look:
    """A picture on its way."""

    picture: Picture
    description: str = ""
    told: list[tuple[str, str]] = field(default_factory=list)
    """Questions of the writer, and what the VLM answered."""
    replies: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The picture's."""
        return self.picture.id

    def known(self) -> dict[str, Any]:
        """See `Item`."""
        return {"origin": self.picture.origin}


@dataclass
class Candidate:
    """A question on its way."""

    look: Look
    number: int
    draft: Draft
    replies: dict[str, str]
    answers: dict[str, Answer] = field(default_factory=dict)
    """By the role that gave them."""
    truths: dict[str, Truth] = field(default_factory=dict)
    """The same as what others are compared with."""

    @property
    def id(self) -> str:
        """The row's."""
        return f"{self.look.id}-{self.number}"

    @property
    def question(self) -> str:
        """With its choices."""
        return worded(self.draft.question, self.draft.choices)

    def known(self) -> dict[str, Any]:
        """See `Item`."""
        said = {role: answer.text for role, answer in self.answers.items()}
        return {"question": self.question, "answers": said, "origin": self.look.picture.origin}


@dataclass
class Pipeline:
    """The steps, for one make."""

    make: Make
    models: Models

    def __call__(self, pictures: Sequence[Picture]) -> Outcome:
        """What comes of some pictures."""
        looks = self.describe([Look(picture) for picture in pictures])
        for turn in range(1, self.make.turns + 1):
            looks = self.look_closer(looks, turn)
        candidates = self.answer(self.filter(self.write(self.merge(looks))))
        decided = self.agree(candidates)
        kept = [each for each in candidates if each.id in decided]
        reasoning = self.refine(kept, decided) if self.make.reasoning else dict.fromkeys(decided, "")
        outcome = self.models.take_outcome()
        outcome.rows = [self.row(each, decided[each.id], reasoning[each.id]) for each in kept if each.id in reasoning]
        return outcome

    def describe(self, looks: list[Look]) -> list[Look]:
        """1. The VLM describes the picture."""

        def question(look: Look) -> Question[str | Unread]:
            return prompts.DESCRIBE.question(replies.words, (look.picture.url,))

        for look, said in self.models.ask("describe", "vlm", looks, question):
            look.description = said
        return [look for look in looks if look.description]

    def look_closer(self, looks: list[Look], turn: int) -> list[Look]:
        """2. The writer asks what the description lacks, and the VLM answers."""

        def ask(look: Look) -> Question[tuple[str, ...] | Unread]:
            told = prompts.told(look.told)
            return prompts.ASK.question(replies.asked, description=look.description, told=told)

        asked = {look.id: said for look, said in self.models.ask(f"ask {turn}", "writer", looks, ask)}

        def answer(look: Look) -> Question[dict[int, str] | Unread]:
            numbered = "\n".join(f"{number}. {each}" for number, each in enumerate(asked[look.id], 1))
            form = "\n".join(f"<reply{number}>?</reply{number}>" for number, _ in enumerate(asked[look.id], 1))
            return prompts.LOOK.question(replies.looked, (look.picture.url,), form, questions=numbered)

        asking = [look for look in looks if asked.get(look.id)]
        answered = {look.id: said for look, said in self.models.ask(f"look {turn}", "vlm", asking, answer)}
        for look in asking:
            said = answered.get(look.id, {})
            look.told += [(each, said[number]) for number, each in enumerate(asked[look.id], 1) if number in said]
        return [look for look in looks if look.id in asked and (not asked[look.id] or look.id in answered)]

    def merge(self, looks: list[Look]) -> list[Look]:
        """2., its end. The VLM makes one description of all that was told; the first one stays where nothing was."""

        def question(look: Look) -> Question[str | Unread]:
            told = prompts.told(look.told)
            return prompts.MERGE.question(replies.words, (look.picture.url,), description=look.description, told=told)

        more = [look for look in looks if look.told]
        merged = {look.id: said for look, said in self.models.ask("merge", "vlm", more, question)}
        for look in more:
            look.description = merged.get(look.id, "")
        return [look for look in looks if look.description]

    def write(self, looks: list[Look]) -> list[Candidate]:
        """3. The writer writes questions; those that are not as they should be are dropped."""
        forms = ["choice", "short", *(["prose"] if "decider" in self.models.clients else [])]
        abilities = self.make.abilities

        def question(look: Look) -> Question[tuple[Draft, ...] | Unread]:
            return prompts.WRITE.question(
                replies.drafts,
                form=prompts.EXAMPLE,
                description=look.description,
                abilities=", ".join(["reasoning", *abilities]),
                many=self.make.questions,
                forms="; ".join(prompts.FORMS[name] for name in forms),
            )

        candidates: list[Candidate] = []
        for look, drafts in self.models.ask("write", "writer", looks, question):
            good: list[Draft] = []
            for number, draft in enumerate(drafts, 1):
                candidate = Candidate(look, number, draft, dict(look.replies))
                over = f"it is more than the {self.make.questions} that were asked for"
                why = over if number > self.make.questions else fault(draft, abilities, forms, good)
                if why:
                    self.models.drop(candidate, "write", why)
                else:
                    good.append(draft)
                    candidates.append(candidate)
        return candidates

    def filter(self, candidates: list[Candidate]) -> list[Candidate]:
        """4. The writer looks for what can't be answered or checked."""

        def question(each: Candidate) -> Question[str | Unread]:
            return prompts.FILTER.question(replies.kept, description=each.look.description, question=each.question)

        good = []
        for candidate, why in self.models.ask("filter", "writer", candidates, question):
            if why:
                self.models.drop(candidate, "filter", why)
            else:
                good.append(candidate)
        return good

    def answer(self, candidates: list[Candidate]) -> list[Candidate]:
        """5. The writer answers from the description, and the VLM from the picture."""
        return self._answer("vlm", self._answer("writer", candidates))

    def agree(self, candidates: list[Candidate]) -> dict[str, str]:
        """5., its end. Whose answer is kept: the writer's where the VLM's states it, else the one that a third states.

        Returns:
            The role, by the question's id.
        """
        prose = [each for each in candidates if each.draft.form == "prose"]
        same = {each.id: self._states(each, "vlm", "writer") for each in candidates if each.draft.form != "prose"}
        decided = dict.fromkeys([*(name for name, told in same.items() if told), *self._same_prose(prose)], "writer")
        differ = [each for each in candidates if same.get(each.id) is False]
        if "decider" not in self.models.clients:
            for each in differ:
                self.models.drop(each, "agree", "the answers differ, and there is no decider")
            return decided
        for each in self._answer("decider", differ):
            says = {role: self._states(each, "decider", role) for role in ("writer", "vlm")}
            if role := next((role for role, told in says.items() if told), None):
                decided[each.id] = role
            elif None not in says.values():
                self.models.drop(each, "agree", "all three answers differ")
        return decided

    def refine(self, candidates: list[Candidate], decided: dict[str, str]) -> dict[str, str]:
        """6. The VLM makes a short reasoning of the chain before the answer; there is none where that can't be read."""

        def read(reply: str) -> str:
            said = replies.refined(reply)
            return said if isinstance(said, str) else ""

        def question(each: Candidate) -> Question[str | Unread]:
            role = decided[each.id]
            return prompts.REFINE.question(
                read,
                (each.look.picture.url,),
                question=each.question,
                answer=each.truths[role].accepted[0],
                solution=each.answers[role].chain,
            )

        return {each.id: said for each, said in self.models.ask("refine", "vlm", candidates, question)}

    def row(self, each: Candidate, role: str, reasoning: str) -> dict[str, Any]:
        """The row of a question whose answer is this role's."""
        draft, picture = each.draft, each.look.picture
        form: Form = "choice" if draft.form == "choice" else "prose" if draft.form == "prose" else "short"
        asked = Asked(
            draft.question,
            each.truths[role].accepted[0],
            form,
            draft.category,
            draft.abilities,
            reasoning,
            draft.choices,
            "choice" if form == "choice" else "",
        )
        provenance = {
            **picture.origin,
            "models": {name: each.model for name, each in self.make.roles.items()},
            "prompts": content_key(prompts.written_down())[:16],
            "decided": "decider" if "decider" in each.answers else "agreement",
            "answer": role,
            "replies": each.replies,
        }
        return asked.row(picture.id, each.number, picture.file, provenance)

    def _answer(self, role: str, candidates: list[Candidate]) -> list[Candidate]:
        """Those questions that a role has an answer to that others can be compared with."""

        def question(each: Candidate) -> Question[Answer | Unread]:
            form = prompts.ANSWERS[each.draft.form]
            if role == "writer":
                return prompts.READ.question(
                    replies.answered, form=form, description=each.look.description, question=each.question
                )
            return prompts.SEE.question(replies.answered, (each.look.picture.url,), form, question=each.question)

        usable = []
        for each, said in self.models.ask("answer", role, candidates, question):
            each.answers[role] = said
            try:
                each.truths[role] = truth_of(each.draft, said.text)
            except UnusableError as error:
                self.models.drop(each, "answer", f"{role}: {error}")
            else:
                usable.append(each)
        return usable

    def _states(self, each: Candidate, role: str, other: str) -> bool | None:
        """Whether a role's answer says what another's does; None where that has to be looked at again."""
        try:
            return states(each.answers[role].text, each.truths[other])
        except LostError:
            self.models.wait(each, "agree")
            return None

    def _same_prose(self, candidates: list[Candidate]) -> list[str]:
        """The questions, by their ids, whose answers in prose the decider finds the same."""
        if not candidates:
            return []
        from mr1.rewards.judgements import JUDGEMENTS, TIERED, Numbers  # it needs torch, and the rest doesn't

        tiers = JUDGEMENTS[TIERED]

        def question(each: Candidate) -> Question[Numbers | Unread]:
            sample = Sample(each.id, (), each.question, each.answers["writer"].text)
            (asked,) = tiers.questions(each.answers["vlm"].text, sample, "")
            return Question(asked.system, asked.user, lambda reply: asked.read(reply) or Unread("it has no grade"))

        same: list[str] = []
        for each, said in self.models.ask("agree", "decider", candidates, question):
            if tiers.score([said]) == 1.0:
                same.append(each.id)
            else:
                self.models.drop(each, "agree", f"the answers differ: the decider's grade is {tiers.score([said]):g}")
        return same
