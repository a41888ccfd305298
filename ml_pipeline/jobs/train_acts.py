"""Train the heads of the act tagger on labelled turns; a tagger that surely reads better becomes the one that reads."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from ml_pipeline.acts import store
from ml_pipeline.acts.document import Figures, Head, TaggerDocument, rules_only
from ml_pipeline.acts.rules import REVISION, phrases
from ml_pipeline.acts.tagger import Said, Tagger, language_of
from ml_pipeline.database.engine import Transaction, transaction
from ml_pipeline.errors import BundleError
from ml_pipeline.models import act_heads
from ml_pipeline.models import store as models_store
from ml_pipeline.models.collecting import everything
from ml_pipeline.models.conversations import LabelledConversation, Spoken, Truth
from ml_pipeline.models.export import export, prove
from ml_pipeline.models.gate import Answers, GateRules, Judgement, judge
from ml_pipeline.models.scores import Flags
from ml_pipeline.models.split import GATE
from ml_pipeline.models.training_set import TrainingSet, assemble, shortage
from ml_pipeline.samples import persuasion
from ml_pipeline.settings import load_settings
from ml_pipeline.vocabulary.acts import Act
from ml_pipeline.vocabulary.dialogue import Dialogue
from ml_pipeline.vocabulary.tasks import Mode, Task
from ml_pipeline.vocabulary.verdicts import GateVerdict

log = logging.getLogger(__name__)

DIALOGUE = "dialogue"
"""The head of acts that no task has labels for; public annotated sets teach it."""


@dataclass(frozen=True, slots=True)
class Judged:
    head: Head
    judgement: Judgement


def run(annotated: Path | None = None) -> dict[str, str]:
    """Train every head there are labels for, keep them as one tagger; return its version, verdict and reasons.

    Heads that surely read better than the current tagger, on conversations nobody learnt from, take their place beside
    its other heads. Where none does, the tagger is kept and does not read.

    ``annotated``: a folder of PersuasionForGood.

    Raises:
        SourceError: if the folder is no such set.
    """
    sets, lacks = _training_sets(annotated)
    if not sets:
        return {"verdict": GateVerdict.NOT_ENOUGH_DATA, "reason": _told(lacks)}
    with transaction() as tx:
        store.lock(tx, "train_acts")
        current, version = _current(tx), store.next_version(tx)
        judged = [judge_head(current, train_head(rows), rows) for rows in sets]
        better = [each.head for each in judged if each.judgement.verdict is GateVerdict.PROMOTE]
        verdict = GateVerdict.PROMOTE if better else GateVerdict.HOLD
        reason = _told({each.head.name: each.judgement.reason for each in judged} | lacks)
        made = assembled(current, better or [each.head for each in judged], version)
        evidence = {
            each.head.name: {"verdict": each.judgement.verdict, "quality": each.head.quality} for each in judged
        }
        store.save(tx, made, verdict, reason, {"against": current.version, "heads": evidence})
    log.info("acts.trained version=%s verdict=%s: %s", version, verdict, reason)
    return {"version": version, "verdict": verdict, "reason": reason}


def _current(tx: Transaction) -> TaggerDocument:
    """Return the tagger to be better than: the rules, where this release cannot run the one that reads."""
    try:
        document = store.current_tagger(tx)
        Tagger(document)
    except BundleError as error:
        log.warning("acts.unrunnable: %s", error)
        return rules_only()
    return document


def train_head(rows: TrainingSet) -> Head:
    """Return the head that ``rows`` teach, with its figures beside those of the rules on the conversations held out."""
    settings = load_settings()
    model = act_heads.train(rows, settings.words_min_conversations)
    bundle = export(model, rows.task, f"acts.{rows.task.name}")
    held_out = rows.part(GATE)
    prove(bundle, model, held_out.rows, settings.predict_budget_ms)
    head = Head(
        name=rows.task.name,
        languages=act_heads.learnt_languages(rows, [language_of(said) for said in _said(rows)]),
        training_digest=rows.digest,
        conversations=len(rows.conversation_ids),
        label_sources=rows.rows["label_source"].value_counts().to_dict(),
        quality={},
        bundle_digest=bundle.digest,
        bundle=bundle.content.decode(),
    )
    by_rules = act_heads.detection(held_out, answers(rules_only(), held_out))
    by_head = act_heads.detection(held_out, answers(assembled(rules_only(), [head], "candidate"), held_out))
    quality = {
        act: Figures(found.positives, found.precision, found.recall, found.f1, by_rules[act].f1)
        for act, found in by_head.items()
    }
    return msgspec.structs.replace(head, quality=quality)


def judge_head(current: TaggerDocument, head: Head, rows: TrainingSet) -> Judged:
    """Judge a head against the tagger it would become part of, by the mean F1 of its acts in held-out conversations."""
    settings = load_settings()
    held_out = rows.part(GATE)
    ours = answers(assembled(current, [head], "candidate"), held_out).astype(np.float64)
    theirs = answers(current, held_out).astype(np.float64)
    alpha = settings.gate_error_budget / settings.gate_budget_gates
    # Acts are called or not: there is no probability to guard.
    rules = GateRules("f1", alpha, settings.gate_min_positives, guards=())
    opponents = [Answers(current.version, theirs)]
    return Judged(head, judge(held_out.block(), Answers(head.name, ours), opponents=opponents, rules=rules))


def assembled(current: TaggerDocument, heads: Sequence[Head], version: str) -> TaggerDocument:
    """Return a tagger of this release's rules with ``heads``, and those of ``current`` that they do not replace."""
    by_name = {head.name: head for head in (*current.heads, *heads)}
    return TaggerDocument(
        version=version, rules_revision=REVISION, phrases=dict(phrases()), heads=list(by_name.values())
    )


def answers(document: TaggerDocument, rows: TrainingSet) -> Flags:
    """Return which acts the tagger finds in each row, rows x labels."""
    tagger = Tagger(document)
    acts = [Act(label) for label in rows.task.labels]
    found = [tagger.read(said) or {} for said in _said(rows)]
    return np.array([[act in each for act in acts] for each in found], dtype=bool).reshape(len(found), len(acts))


def annotated_set(annotated: Sequence[tuple[Dialogue, dict[int, tuple[Act, ...]]]]) -> TrainingSet:
    """Return the rows of annotated dialogues, split in time."""
    task = act_heads.act_task(DIALOGUE, sorted(set(persuasion.ACT_OF.values()), key=list(Act).index))
    return assemble(task, map(_labelled, *zip(*annotated, strict=True)))


def _training_sets(annotated: Path | None) -> tuple[list[TrainingSet], dict[str, str]]:
    """Return the sets something can be trained on, and why the others cannot."""
    whole = [_taught(task, head) for task in load_settings().tasks if (head := act_heads.head_of_task(task))]
    if annotated is not None:
        whole.append(annotated_set(persuasion.annotated_acts(annotated)))
    lacks = {rows.task.name: shortage(rows) for rows in whole}
    return [rows for rows in whole if not lacks[rows.task.name]], {name: lack for name, lack in lacks.items() if lack}


def _taught(task: Task, head: Task) -> TrainingSet:
    with transaction() as tx:
        labelled = list(models_store.labelled_conversations(tx, replace(task, mode=Mode.DETECT), everything(tx)))
        languages = store.languages(tx, [each.conversation_id for each in labelled])
    return assemble(head, act_heads.as_acts(labelled, task, languages))


def _labelled(dialogue: Dialogue, acts: dict[int, tuple[Act, ...]]) -> LabelledConversation:
    context = {"language": str(dialogue.context.get("language", ""))}
    return LabelledConversation(
        dialogue.conversation_id,
        dialogue.conversation_id,
        dialogue.started_at,
        tuple(Spoken(turn, said.role, said.content, context=context) for turn, said in enumerate(dialogue.messages)),
        {turn: Truth(tuple(held), "human", dialogue.ended_at) for turn, held in acts.items()},
    )


def _said(rows: TrainingSet) -> Iterator[Said]:
    columns = (rows.rows[name].astype(str) for name in ("current", "previous", "language"))
    return map(Said, *columns)


def _told(reasons: dict[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or "no task has labels that are acts"
