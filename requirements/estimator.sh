#!/usr/bin/env bash
# Makes .venv-estimator with TensorFlow 2.15, the last one that has tf.estimator, and deployer (editable) beside it.
# It needs Python 3.10 or 3.11: the one of .venv, or whichever uv finds.
set -euo pipefail
cd "$(dirname "$0")/.."

ready=.venv-estimator/.ready
fit='import sys; sys.exit(sys.version_info[:2] > (3, 11))'

if [ ! -e "$ready" ] || [ pyproject.toml -nt "$ready" ]; then
    python=.venv/bin/python
    "$python" -c "$fit" || python='>=3.10,<3.12'
    [ -x .venv-estimator/bin/python ] || .venv/bin/uv venv --quiet --python "$python" .venv-estimator
    .venv/bin/uv pip install --quiet --python .venv-estimator/bin/python \
        tensorflow==2.15.1 tensorflow-serving-api==2.15.1 tensorflow-text==2.15.0 'setuptools<81' --editable .
    touch "$ready"
fi
