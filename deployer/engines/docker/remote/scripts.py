"""The shell scripts that the helper runs on a volume of models, and the layout of the volume.

NAME/VERSION                  a link to ../.trees/DIGEST-SESSION, replaced atomically
.trees/DIGEST-SESSION/        the files of a version, hard links to .blobs
.blobs/SHA256                 one file of any version; its modification time is 1 once its digest was compared
.incoming/SESSION/            what a command is sending: SHA256@OFFSET is a file, or the rest of one, from that byte
.config/ENV@PROJECT/NAME/RELEASE/   the configuration of a server

A session is the helper of one command. What a command that ended has left in .incoming is taken over by the next one.
The scripts need bash and coreutils, which the image of TensorFlow Serving has.
"""

from __future__ import annotations

VERIFIED_MTIME = 1

DIGEST = """
set -eu
digest_of() {
    if type openssl >/dev/null 2>&1; then openssl dgst -sha256 -r <"$1" | cut -d ' ' -f 1; return; fi
    sha256sum <"$1" | cut -d ' ' -f 1
}
"""
"""OpenSSL, which the image has with its certificates, is several times as fast as coreutils."""

PREPARE = (
    DIGEST
    + """
cd "$1"; session=$2; shift 2
umask 022
mine=.incoming/$session
mkdir -p .blobs .trees .config "$mine"
for left in .incoming/*/; do
    name=${left#.incoming/}; name=${name%/}
    case " $session $* " in *" $name "*) continue ;; esac
    for part in "$left"*@*; do [ ! -f "$part" ] || mv -n "$part" "$mine/" 2>/dev/null || true; done
    rm -rf "$left"
done
echo "free $(df --output=avail --block-size=1 . | tail -n 1)"
find . -mindepth 2 -maxdepth 2 -type l -not -path './.*' -printf 'link %P %l\\n'
while read -r digest size; do
    blob=.blobs/$digest part=$mine/$digest
    if [ -f "$blob" ]; then
        if [ "$(stat -c '%s %Y' "$blob")" = "$size 1" ]; then echo "have $digest"; continue; fi
        if [ "$(digest_of "$blob")" = "$digest" ]; then touch -d @1 "$blob"; echo "have $digest"; continue; fi
        rm -f "$blob"; echo "damaged $digest"
    fi
    offset=0
    if [ -f "$part@0" ]; then
        offset=$(stat -c %s "$part@0")
        while [ "$offset" -gt 0 ] && [ -f "$part@$offset" ]; do
            rest=$part@$offset
            cat "$rest" >>"$part@0"; rm "$rest"
            offset=$(stat -c %s "$part@0")
        done
    fi
    rm -f "$part@"[1-9]*
    if [ "$offset" -gt "$size" ]; then rm -f "$part@0"; offset=0; fi
    [ "$offset" = 0 ] || echo "part $digest $offset"
done <"$mine/requested"
"""
)
"""MOUNT SESSION LIVE...: reports free bytes, links, and which of the requested files are there, wholly or in part."""

FINISH = (
    DIGEST
    + """
cd "$1"; session=$2
umask 022
mine=.incoming/$session
while read -r digest offset; do
    part=$mine/$digest
    if [ "$offset" != 0 ]; then cat "$part@$offset" >>"$part@0"; rm "$part@$offset"; fi
    if [ "$(digest_of "$part@0")" != "$digest" ]; then rm -f "$part@0"; echo "wrong $digest"; continue; fi
    chmod 644 "$part@0"; touch -d @1 "$part@0"; sync "$part@0"
    mv -T "$part@0" ".blobs/$digest"
done <"$mine/sent"
"""
)
"""MOUNT SESSION: joins and verifies the files that were sent, and names those with other bytes, which are removed."""

PUBLISH = """
set -eu
cd "$1"; session=$2; link=$3; digest=$4; list=$5
umask 022
mine=.incoming/$session tree=.trees/$digest-$session
rm -rf "$mine/tree" "$tree"; mkdir "$mine/tree"
while IFS= read -r -d '' blob && IFS= read -r -d '' path; do
    case $path in */*) mkdir -p "$mine/tree/${path%/*}" ;; esac
    if [ "$blob" = - ]; then mkdir -p "$mine/tree/$path"; else ln ".blobs/$blob" "$mine/tree/$path"; fi
done <"$mine/$list"
mv -T "$mine/tree" "$tree"
mkdir -p "${link%/*}"
ln -sfn "../$tree" "$mine/link"
mv -T "$mine/link" "$link"
"""
"""MOUNT SESSION NAME/VERSION DIGEST LIST: makes a version appear, completely and at once."""

LEAVE = 'cd "$1" && rm -rf ".incoming/$2"'

FORGET = """
set -eu
cd "$1"; collect=$2; shift 2
for link in "$@"; do rm -f "$link"; rmdir --ignore-fail-on-non-empty "${link%/*}" 2>/dev/null || true; done
[ "$collect" = yes ] || exit 0
kept=" $(find . -mindepth 2 -maxdepth 2 -type l -not -path './.*' -printf '%l ') "
for tree in .trees/*/; do
    tree=${tree%/}
    case $kept in *" ../$tree "*) ;; *) rm -rf "$tree" ;; esac
done
find .blobs -type f -links 1 -delete
"""
"""MOUNT yes|no NAME/VERSION...: removes versions, and with `yes` the files that no version has."""

PUBLISH_CONFIG = """
set -eu
cd "$1"; session=$2 target=.config/$3
umask 022
mkdir -p "$target"
for file in ".incoming/$session/config/"*; do mv -T "$file" "$target/${file##*/}"; done
rmdir ".incoming/$session/config"
"""
DELETE_CONFIG = """
cd "$1/.config" 2>/dev/null || exit 0
rm -rf "$2"
rmdir -p --ignore-fail-on-non-empty "${2%/*}" 2>/dev/null || true
"""
