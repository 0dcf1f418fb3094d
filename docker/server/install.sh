#!/usr/bin/env bash
# In the image's first stage: installs what the server imports into /opt/server, and takes out what it never opens.
set -euo pipefail

root=/opt/server
python3 -m venv "$root"
"$root/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps --no-compile \
    --requirement /build/requirements.txt
site=$("$root/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["platlib"])')
echo "$root/app" >"$site/deployer.pth"

# Headers, TensorFlow Lite, the profiler's plug-in and tests: 330 MB that no model needs.
rm -rf "$site"/tensorflow/{include,lite} "$site"/numpy/_core/include
rm -f "$site"/tensorflow/python/profiler/internal/_pywrap_profiler_plugin.so
rm -f "$site"/tensorflow/compiler/mlir/stablehlo/stablehlo_extension.so
find "$site" -depth -type d \( -name tests -o -name testdata \) -exec rm -rf {} +
"$root/bin/python" -m pip --disable-pip-version-check uninstall --quiet --yes setuptools pip

# The symbol tables of TensorFlow's two libraries are a quarter of them, and only a debugger reads them.
apt-get -qq update
apt-get -qq install --yes --no-install-recommends binutils >/dev/null
strip --strip-unneeded "$site"/tensorflow/libtensorflow_{cc,framework}.so.2

# Bytecode that is never checked against its source: the root is read-only when the image runs.
"$root/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$site" >/dev/null
