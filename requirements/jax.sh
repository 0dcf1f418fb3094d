#!/usr/bin/env bash
# Puts JAX into the directory .venv-jax, to be laid on .venv's path where a test asks for it: with JAX installed, every
# import of Keras takes seconds more. All that it needs besides, .venv has for TensorFlow and scikit-learn.
set -euo pipefail
cd "$(dirname "$0")/.."

ready=.venv-jax/.ready-0.6.2

if [ ! -e "$ready" ]; then
    .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --target .venv-jax jax==0.6.2 jaxlib==0.6.2
    touch "$ready"
fi
