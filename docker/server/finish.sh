#!/usr/bin/env bash
# In the image's last stage: makes all of it readable for any user, compiled, and proves that the server imports.
set -euo pipefail

chmod -R a+rX /opt/server/app
chmod 755 /usr/bin/tf_serving_entrypoint.sh /usr/bin/tensorflow_model_server
mkdir -p /models

# Some bases come without the standard library's bytecode; with a read-only root it would be made anew at every start.
library=$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["stdlib"])')
python3 -m compileall -q -x '/(test|tests|idlelib|lib2to3|ensurepip|site-packages|dist-packages)/' "$library"
/opt/server/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/server/app
TF_CPP_MIN_LOG_LEVEL=2 /opt/server/bin/python -I -B -c 'import deployer.server.serve'
