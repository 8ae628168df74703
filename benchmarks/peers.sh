#!/bin/sh
# Make .venv-bench-rectools: the peers that cannot share an environment with the product (RecTools pins numpy<2).
set -eu
cd "$(dirname "$0")/.."
[ -x .venv-bench-rectools/bin/python ] || "${PYTHON:-python3}" -m venv .venv-bench-rectools
.venv-bench-rectools/bin/pip install --quiet "rectools==0.19.0" "ranx==0.3.21" "faiss-cpu==1.15.1" "numpy<2" "scikit-learn"
