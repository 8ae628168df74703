# Our package inside Airflow's own image, from the same lock as a laptop.
FROM apache/airflow:3.3.2-python3.11

USER root
# LightFM has no wheels: it is compiled here.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o airflow -g 0 /opt/recsys /opt/recsys/runtime
USER airflow

WORKDIR /opt/recsys
COPY --chown=airflow:0 constraints.txt pyproject.toml README.md LICENSE ./
COPY --chown=airflow:0 recsys recsys
RUN pip install --no-cache-dir -c constraints.txt "torch==$(sed -n 's/^torch==//p' constraints.txt)" \
        --extra-index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir -c constraints.txt ".[distributed]"
COPY --chown=airflow:0 dags dags
COPY --chown=airflow:0 shops shops

ENV RECSYS_DAGS=/opt/recsys/dags \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
