#!/bin/sh
# Make the peers' own environments: .venv-bench-rectools (RecTools pins numpy<2) and .venv-bench-choice.
set -eu
cd "$(dirname "$0")/.."
[ -x .venv-bench-rectools/bin/python ] || "${PYTHON:-python3}" -m venv .venv-bench-rectools
.venv-bench-rectools/bin/pip install --quiet "rectools==0.19.0" "ranx==0.3.21" "faiss-cpu==1.15.1" "numpy<2" "scikit-learn"
# .venv-bench-choice: choice-learn's optimisers need OR-Tools alone; its models (TensorFlow) are not used.
[ -x .venv-bench-choice/bin/python ] || "${PYTHON:-python3}" -m venv .venv-bench-choice
.venv-bench-choice/bin/pip install --quiet --no-deps "choice-learn==1.3.3"
.venv-bench-choice/bin/pip install --quiet "ortools==9.15.6755" numpy pandas tqdm
