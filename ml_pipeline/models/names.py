from ml_pipeline.vocabulary.tasks import Task


def model_name(task: Task) -> str:
    """Return the name of the task's registered model; its versions are called ``<name>/<number>``.

    >>> from ml_pipeline.vocabulary.tasks import CONVERSION
    >>> model_name(CONVERSION)
    'conversion.anticipate'
    """
    return f"{task.name}.{task.mode}"
