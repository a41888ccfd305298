"""Sets the stage: a Postgres with the schema, four experiments and three champions; then runs a command on it.

Runs in the project's own environment, for it trains; what it starts may run in another.
"""

import os
import subprocess
import sys

from benchmarks.champions import crown
from benchmarks.labelled import labelled_conversations
from benchmarks.server import DATABASE, capture_dsn, execute, running_server
from ml_pipeline.database.engine import engine, transaction
from ml_pipeline.models.candidates.columns import columns_of
from ml_pipeline.models.candidates.fit import fit
from ml_pipeline.models.candidates.search import search
from ml_pipeline.models.export import export
from ml_pipeline.models.split import CALIBRATION, TRAIN
from ml_pipeline.models.training_set import assemble
from ml_pipeline.settings import Settings
from ml_pipeline.simulation.floor import simulated_source

RUN_EXPERIMENTS = """
    INSERT INTO ml_experiments (id, name, experiment_type, status, config)
    SELECT gen_random_uuid(), 'experiment ' || number, 'benchmark', 'running',
           '{"arms": [{"name": "control", "weight": 1}, {"name": "other", "weight": 1}]}'
    FROM generate_series(1, 4) AS number
"""
"""They go into the policy that the first champion publishes."""
TRAINED_ON_CONVERSATIONS = 300
WORD_OTHERS = Settings().words_min_conversations


def main(command: list[str]) -> int:
    with running_server() as server:
        owner = server.dsn(DATABASE)
        execute(owner, RUN_EXPERIMENTS)
        publish_champions(owner)
        environment = {**os.environ, "BENCH_OWNER_DSN": owner, "ML_PIPELINE_CAPTURE_DSN": capture_dsn(server)}
        return subprocess.run(command, env=environment, check=False).returncode


def publish_champions(dsn: str) -> None:
    """Train the shipped candidate of each task on a simulated floor, and make it champion."""
    source = simulated_source(conversations=TRAINED_ON_CONVERSATIONS)
    for task in source.tasks:
        rows = assemble(task, labelled_conversations(source, task))
        train, calibration = rows.part(TRAIN), rows.part(CALIBRATION)
        columns = columns_of(task)
        recipe = search(train, columns, WORD_OTHERS)[0].recipe
        model = fit(train, calibration, recipe, columns[recipe.kind])
        version = f"{task.name}.{task.mode}/1"
        bundle = export(model, task, version)
        with transaction(dsn) as tx:
            crown(tx, task, version, (bundle.digest, bundle.content))
    engine(dsn).dispose()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
