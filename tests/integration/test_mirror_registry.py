"""MLflow's aliases say what Postgres says, on a real MLflow store; who moves one is found out."""

import pytest

from ml_pipeline.errors import RegistryError
from ml_pipeline.jobs import mirror_registry as job
from ml_pipeline.models.registry import Registry
from ml_pipeline.models.registry.aliases import NOBODY, Act, judge
from tests.integration.events import rows
from tests.integration.policy import bundle, execute, publish
from tests.integration.retraining import SETTINGS, client

MODEL = "objection.anticipate"
FIRST, SECOND, THIRD = (f"{MODEL}/{number}" for number in (1, 2, 3))
ONE, TWO, THREE = (bundle(version) for version in (FIRST, SECOND, THIRD))


@pytest.fixture(scope="module")
def mlflow_with_versions(tmp_path_factory):
    """An MLflow store with three versions of one model."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
    made = MlflowClient(uri)
    made.create_registered_model(MODEL)
    for _ in range(3):
        made.create_model_version(MODEL, "file:///nowhere")
    return uri


@pytest.fixture
def database(emptied_database, mlflow_with_versions, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ML_PIPELINE_MLFLOW_URI", mlflow_with_versions)
    for alias in client().get_registered_model(MODEL).aliases:
        client().delete_registered_model_alias(MODEL, alias)
    return emptied_database


def aliases() -> dict[str, int]:
    return {alias: int(number) for alias, number in client().get_registered_model(MODEL).aliases.items()}


def move(alias: str, number: int | None) -> None:
    """Do what a person does in MLflow."""
    if number is None:
        client().delete_registered_model_alias(MODEL, alias)
    else:
        client().set_registered_model_alias(MODEL, alias, str(number))


def moved(database) -> list[tuple[str, str, str]]:
    found = rows(database, "SELECT version, verdict, reason FROM decisions WHERE kind = 'alias' ORDER BY decided_at")
    return [tuple(row.values()) for row in found]


@pytest.mark.parametrize(
    ("wanted", "held", "ours", "act"),
    [
        (1, 1, {NOBODY}, Act.LEAVE),
        (1, NOBODY, {NOBODY}, Act.FOLLOW),
        (2, 1, {1}, Act.FOLLOW),
        (NOBODY, 1, {1}, Act.FOLLOW),
        (3, 2, {1, 2}, Act.FOLLOW),
        (3, 1, {1, 2}, Act.FOLLOW),
        (2, NOBODY, {2}, Act.REVERT),
        (2, 3, {2}, Act.REVERT),
        (2, 3, {1}, Act.REVERT),
        (NOBODY, 3, {NOBODY}, Act.REVERT),
    ],
)
def test_an_alias_follows_from_what_we_set_and_is_reverted_from_what_we_did_not(wanted, held, ours, act):
    assert judge(wanted, held, frozenset(ours)) is act


def test_aliases_say_who_is_champion_challenger_holdback_and_was_before(database):
    publish(database, (ONE, "champion", 1))
    first = job.run()
    publish(database, (TWO, "champion", 1), (ONE, "holdback", 0.05), (THREE, "canary", 0.25))
    second = job.run()
    again = job.run()

    assert aliases() == {"champion": 2, "challenger": 3, "holdback": 1, "previous": 1}
    assert first == {"left": 3, "followed": 1, "reverted": 0}
    assert second == {"left": 0, "followed": 4, "reverted": 0}
    assert again == {"left": 4, "followed": 0, "reverted": 0}
    assert moved(database) == []


def test_what_nobody_holds_any_more_has_no_alias(database):
    publish(database, (ONE, "champion", 1), (TWO, "shadow", 0))
    job.run()
    publish(database)

    job.run()

    assert aliases() == {"previous": 1}


@pytest.mark.parametrize(("to", "named"), [(3, THIRD), (None, "")])
def test_an_alias_moved_by_hand_is_moved_back_and_recorded_once(database, to, named):
    publish(database, (ONE, "champion", 1))
    job.run()
    move("champion", to)

    counts, again = job.run(), job.run()

    assert (counts["reverted"], again["reverted"]) == (1, 0)
    assert aliases() == {"champion": 1}
    assert moved(database) == [(named, "REVERTED", f"somebody gave the alias champion to {named or 'nobody'}")]
    (kept,) = rows(database, "SELECT evidence, task, mode FROM decisions WHERE kind = 'alias'")
    assert kept["evidence"] == {"alias": "champion", "named": to, "should_name": 1, "asked": None}
    assert (kept["task"], kept["mode"]) == ("objection", "anticipate")
    assert [row["state"] for row in rows(database, "SELECT state FROM model_rollouts WHERE until IS NULL")] == [
        "champion"
    ]


def test_the_same_move_made_again_is_recorded_again(database):
    publish(database, (ONE, "champion", 1))
    job.run()

    for _ in range(2):
        move("champion", 3)
        job.run()

    assert len(moved(database)) == 2


def test_an_alias_of_ours_that_we_never_set_was_set_by_somebody_else(database):
    publish(database, (ONE, "champion", 1))
    move("challenger", 2)

    counts = job.run()

    assert (counts["followed"], counts["reverted"]) == (1, 1)
    assert aliases() == {"champion": 1}


def test_an_alias_with_another_name_is_left_alone(database):
    publish(database, (ONE, "champion", 1))
    move("tried_by_ana", 3)

    job.run()

    assert aliases() == {"champion": 1, "tried_by_ana": 3}


def away(*_: object) -> None:
    raise RegistryError("MLflow is away")


def test_what_was_promoted_while_mlflow_was_down_is_no_move_by_hand(database, monkeypatch):
    publish(database, (ONE, "champion", 1))
    job.run()
    publish(database, (TWO, "champion", 1))
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "point", away)
        with pytest.raises(RegistryError, match="away"):
            job.run()
    publish(database, (THREE, "champion", 1))

    job.run()

    assert aliases() == {"champion": 3, "previous": 2}
    assert moved(database) == []


def test_one_cut_off_after_it_set_an_alias_still_knows_it_for_its_own(database, monkeypatch):
    publish(database, (ONE, "champion", 1))
    job.run()
    publish(database, (TWO, "champion", 1))
    with monkeypatch.context() as patch:
        patch.setattr("ml_pipeline.models.registry.store.remember", away)
        with pytest.raises(RegistryError):
            job.run()
    cut_off = aliases()
    publish(database, (THREE, "champion", 1))

    job.run()

    assert cut_off["champion"] == 2
    assert aliases()["champion"] == 3
    assert moved(database) == []


def test_a_move_that_cannot_be_taken_back_yet_is_recorded_once(database, monkeypatch):
    publish(database, (ONE, "champion", 1))
    job.run()
    move("champion", 3)
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "point", away)
        for _ in range(2):
            with pytest.raises(RegistryError):
                job.run()

    job.run()

    assert aliases() == {"champion": 1}
    assert len(moved(database)) == 1


def test_mlflow_that_is_down_is_said_so(database, monkeypatch):
    publish(database, (ONE, "champion", 1))
    monkeypatch.setenv("ML_PIPELINE_MLFLOW_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(RegistryError, match=r"MLflow at http://127\.0\.0\.1:1 did not answer"):
        job.run()


def test_a_model_that_mlflow_does_not_hold_stops_no_other(database):
    publish(database, (bundle("lost.detect/1", task="lost"), "champion", 1), (ONE, "champion", 1))

    with pytest.raises(RegistryError, match=r"lost\.anticipate"):
        job.run()

    assert aliases() == {"champion": 1}


def test_by_setting_a_moved_champion_asks_for_a_retraining_that_goes_through_the_gate(database, monkeypatch):
    monkeypatch.setenv("ML_PIPELINE_MOVED_ALIAS", "request")
    publish(database, (ONE, "champion", 1))
    job.run()
    move("champion", 3)
    move("previous", 2)

    job.run()

    assert aliases() == {"champion": 1}
    (request,) = rows(database, "SELECT * FROM retraining_requests")
    assert (request["task"], request["mode"], request["source"]) == ("objection", "anticipate", "person")
    assert request["reason"].startswith(f"somebody gave the alias champion to {THIRD} in MLflow; ")
    assert sorted(verdict for _, verdict, _ in moved(database)) == ["REQUESTED", "REVERTED"]
    (kept,) = rows(database, "SELECT evidence FROM decisions WHERE verdict = 'REQUESTED'")
    assert kept["evidence"]["asked"] == str(request["request"])


def test_a_moved_alias_of_a_task_that_nobody_trains_is_moved_back_alone(database, monkeypatch, tmp_path):
    (tmp_path / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    monkeypatch.setenv("ML_PIPELINE_SETTINGS", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("ML_PIPELINE_MOVED_ALIAS", "request")
    publish(database, (ONE, "champion", 1))
    job.run()
    move("champion", 3)

    job.run()

    assert rows(database, "SELECT FROM retraining_requests") == []
    assert [verdict for _, verdict, _ in moved(database)] == ["REVERTED"]


def test_while_mlflow_hangs_a_rollback_waits_for_nobody(database, monkeypatch):
    publish(database, (ONE, "champion", 1))
    publish(database, (TWO, "champion", 1))
    done = []

    def hangs(registry: Registry, model: str) -> dict[str, int]:
        done.append(execute(database, "SELECT rollback_task('objection', 'anticipate', NULL, 'it harms', 'ada')"))
        return {}

    monkeypatch.setattr(Registry, "aliases", hangs)

    job.run()

    assert done[0]["status"] == "rolled_back"
