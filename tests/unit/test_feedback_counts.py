from ml_pipeline.feedback.error_kinds import all_kinds, error_kinds
from ml_pipeline.feedback.tallies import Tally, flat_counts
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS, Mode, Task, TaskKind


def task(name: str, kind: TaskKind) -> Task:
    return Task(name, kind, ("a",), Mode.DETECT, scope="turn", primary_metric="macro_ap")


def test_the_default_tasks_make_the_specified_kinds_of_error():
    kinds = all_kinds(DEFAULT_TASKS)

    assert kinds == ["objection_miss", "false_alarm", "need_misidentification", "conversion_error"]


def test_a_task_of_another_agent_has_kinds_by_its_own_kind():
    churn, topics = error_kinds(task("churn", TaskKind.BINARY)), error_kinds(task("topics", TaskKind.MULTI_LABEL))

    assert (churn.missed, churn.unfounded) == ("wrong_side", "wrong_side")
    assert (topics.missed, topics.unfounded) == ("miss", "false_alarm")


def test_without_predictions_every_count_is_there_and_zero():
    counts = flat_counts([], ["objection_miss"])

    assert counts == dict.fromkeys(("predictions", "labelled", "unlabelled", "answers", "errors", "objection_miss"), 0)


def test_versions_are_added_over_spans_and_into_totals():
    tallies = [
        Tally("objection", "anticipate", "caller", 4, 3, 18, {"objection_miss": 2, "false_alarm": 1}),
        Tally("objection", "anticipate", "caller", 2, 0, 0, {}),
        Tally("objection", "anticipate", "objection.anticipate/1", 4, 3, 18, {"objection_miss": 1}),
    ]

    counts = flat_counts(tallies, ["objection_miss", "false_alarm"])

    assert counts["predictions"] == 10
    assert counts["labelled"] + counts["unlabelled"] == counts["predictions"]
    assert counts["errors"] == 4
    assert counts["objection_miss of objection.anticipate by caller"] == 2
    assert counts["unlabelled of objection.anticipate by caller"] == 3
    assert counts["errors of objection.anticipate by objection.anticipate/1"] == 1
