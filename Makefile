# What people type here. Everything runs inside .venv, which is made first and left alone while its pins stand.
# Python is found by itself; name another one: make PYTHON=python3.12 run

.DEFAULT_GOAL := help
# Every claim that a document makes; bench runs them all.
BENCHES := bench-online bench-shipping bench-outage bench-predictor bench-redaction bench-holdout bench-facts bench-gate bench-rollout bench-learning bench-rollback bench-training
.PHONY: help run stop reset test torture check format pin bench $(BENCHES)

# Where it is set, every process would compile the 3,000 modules it imports anew: half a minute each time.
unexport PYTHONDONTWRITEBYTECODE

ENVIRONMENT := ./ml_pipeline/stack/bootstrap.sh
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# A file to a worker: each has one Postgres, and the whole stack (tests/acceptance, first in order) boots once.
WORKERS ?= 2
# The libraries that we are compared with get an environment of their own.
PEERS := .local/bench/peers
# What reads sentences is an extra, and stays outside the environment too.
SENTENCES := .local/bench/embeddings
UV_PIN := $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links

help:
	@echo "make run                start everything, take conversations once round the loop, keep serving"
	@echo "  SOURCE=PATH           a folder of real dialogues instead of the simulated sales floor"
	@echo "  ONCE=1                end after the summary, which is also .local/summary.json"
	@echo "make stop               end what make run started"
	@echo "make reset              end it and remove .local: databases, models, secrets"
	@echo "make test               every test; ARGS='-k word' picks some, WORKERS=n sets how many at once"
	@echo "make check              format, lint, types, import directions"
	@echo "make format             let ruff mend what it can"
	@echo "make bench              every benchmark: the claims of our documents, measured, into .local/bench"
	@echo "make bench-online       what recording costs a call, beside other libraries, into .local/bench/online.jsonl"
	@echo "make bench-shipping     how fast a spool is shipped, beside a raw COPY, into .local/bench/shipping.jsonl"
	@echo "make bench-outage       120,000 events with the database stopped, into .local/bench/outage.jsonl"
	@echo "make bench-predictor    what a prediction costs and what a swap of models holds up, into .local/bench/predictor.jsonl"
	@echo "make bench-holdout      holdout figures on public dialogue sets, into .local/bench/holdout.jsonl; ARGS picks some"
	@echo "make bench-redaction    what redaction finds, leaves alone and costs, into .local/bench/redaction.jsonl"
	@echo "make bench-facts        what projection, rollups, maturity, the tagger and the gate cost and find; ARGS picks some"
	@echo "make bench-gate         how often the gate promotes what is equal, worse, better; half an hour; ARGS picks some"
	@echo "make bench-rollout      how soon a rollout stops what does harm, how rarely what does none; ten minutes; ARGS picks some"
	@echo "make bench-rollback     how long after its commit a rollback is in force in eight agent processes"
	@echo "make bench-training     what retraining every task on 50,000 conversations costs; ten minutes, on a quiet machine"
	@echo "make bench-learning     keeping models up to date on a bank's calls: frozen, blind, always, ours; ten minutes; ARGS picks some"
	@echo "make torture            300 seeded rounds of kills, full disks and damage on the online module; SEED=n ROUNDS=n"
	@echo "make pin                resolve requirements*.txt anew from requirements.in and pyproject.toml"

# exec: signals reach the supervisor itself.
run:
	@$(ENVIRONMENT) run && exec $(BIN)/python -m ml_pipeline.cli run

stop reset:
	@if [ -x $(BIN)/python ]; then exec $(BIN)/python -m ml_pipeline.cli $@; else echo "no .venv: nothing was ever started here"; fi

test:
	@$(ENVIRONMENT) dev
	@exec $(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check:
	@$(ENVIRONMENT) dev
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-cache

format:
	@$(ENVIRONMENT) dev
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

torture:
	@$(ENVIRONMENT) dev
	@exec $(BIN)/python -m tests.torture $(if $(SEED),--seed $(SEED)) $(if $(ROUNDS),--rounds $(ROUNDS))

bench: $(BENCHES)

bench-online: $(PEERS)/made
	@$(ENVIRONMENT) run
	@exec $(BIN)/python -m benchmarks.online_stage $(PEERS)/bin/python -m benchmarks.online $(ARGS)

$(PEERS)/made: benchmarks/peers.txt
	@$(ENVIRONMENT) run
	$(BIN)/python -m venv --clear $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

bench-predictor:
	@$(ENVIRONMENT) run
	@exec $(BIN)/python -m benchmarks.online_stage $(BIN)/python -m benchmarks.online_predictor

bench-shipping:
	@$(ENVIRONMENT) run
	@exec $(BIN)/python -m benchmarks.online_shipping

bench-outage:
	@$(ENVIRONMENT) run
	@exec $(BIN)/python -m benchmarks.online_outage

bench-holdout: $(SENTENCES)/made
	@$(ENVIRONMENT) run
	@exec env OMP_NUM_THREADS=1 PYTHONPATH=$(SENTENCES) $(BIN)/python -m benchmarks.holdout_figures $(ARGS)

$(SENTENCES)/made: requirements-embeddings.in
	@$(ENVIRONMENT) run
	$(BIN)/python -m uv pip install --quiet --no-deps --target $(SENTENCES) --requirement $<
	@touch $@

bench-redaction:
	@$(ENVIRONMENT) run
	@exec $(BIN)/python -m benchmarks.redaction_figures $(ARGS)

bench-facts:
	@$(ENVIRONMENT) run
	@exec $(BIN)/python -m benchmarks.facts $(ARGS)

bench-gate:
	@$(ENVIRONMENT) run
	@exec env OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.gate $(ARGS)

bench-rollout:
	@$(ENVIRONMENT) run
	@exec $(BIN)/python -m benchmarks.rollout $(ARGS)

bench-rollback:
	@$(ENVIRONMENT) run
	@exec $(BIN)/python -m benchmarks.rollback

bench-training:
	@$(ENVIRONMENT) run
	@exec env OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.training

bench-learning:
	@$(ENVIRONMENT) run
	@exec env OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.learning $(ARGS)

pin:
	@$(ENVIRONMENT) dev
	$(UV_PIN) --upgrade pyproject.toml requirements.in -o requirements.txt
	$(UV_PIN) --upgrade --group pyproject.toml:dev -c requirements.txt -o requirements-dev.txt
	@$(ENVIRONMENT) dev
