# One image for every process of docker-compose.yaml: Airflow's, MLflow's, ours.
FROM python:3.12.12-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    UV_NO_CACHE=1 \
    UV_SYSTEM_PYTHON=1 \
    AIRFLOW_HOME=/home/pipeline/airflow

RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin pipeline \
    && mkdir -p /home/pipeline/airflow/logs /home/pipeline/artifacts /home/pipeline/data_docs /home/pipeline/state \
    && chown -R pipeline:pipeline /home/pipeline

WORKDIR /opt/ml-pipeline

# The pin alone: this layer is built again only when it changes.
COPY requirements.txt ./
RUN pip install uv==0.13.9 && uv pip install --only-binary :all: --compile-bytecode -r requirements.txt

COPY pyproject.toml requirements.in requirements-embeddings.in README.md LICENSE ./
COPY sql ./sql
COPY ml_pipeline ./ml_pipeline
RUN uv pip install --no-deps .
COPY dags ./dags
COPY plugins ./plugins

USER pipeline
