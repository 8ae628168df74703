# One image for every service of ours, from the same lock as a laptop.
FROM python:3.11-slim-bookworm AS build
# LightFM has no wheels: it is compiled here, for any processor (its own default is the builder's instruction set).
ENV LIGHTFM_NO_CFLAGS=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /src
COPY constraints.txt ./
RUN pip install -c constraints.txt "torch==$(sed -n 's/^torch==//p' constraints.txt)" \
        --extra-index-url https://download.pytorch.org/whl/cpu
COPY pyproject.toml README.md LICENSE ./
COPY recsys recsys
# Celery, PostgreSQL, S3 and Spark; on Kubernetes: --build-arg EXTRAS=distributed,kubernetes
ARG EXTRAS=distributed
RUN pip install -c constraints.txt ".[${EXTRAS}]"

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 50000 --gid 0 --home-dir /opt/airflow --no-create-home --shell /usr/sbin/nologin recsys \
    && install -d -o 50000 -g 0 -m 0770 /opt/airflow /opt/recsys/runtime /opt/recsys/logs /opt/recsys/scratch
COPY --from=build /opt/venv /opt/venv
COPY dags /opt/recsys/dags
COPY plugins /opt/recsys/plugins
COPY shops /opt/recsys/shops
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/opt/airflow AIRFLOW_HOME=/opt/airflow RECSYS_DAGS=/opt/recsys/dags \
    NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
USER 50000:0
WORKDIR /opt/airflow
ENTRYPOINT ["python", "-m", "recsys.stack.container"]
