#!/usr/bin/env bash
# The flags of tensorflow/serving's entrypoint; what is given behind the image's name comes last and wins.
# With `exec`, unlike there: the server gets the signal of `docker stop`.
exec tensorflow_model_server \
    --port=8500 --rest_api_port=8501 \
    "--model_name=${MODEL_NAME}" "--model_base_path=${MODEL_BASE_PATH}/${MODEL_NAME}" "$@"
