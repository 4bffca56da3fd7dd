# Read by images/NAME/build, which has set `name` and `about` and may define take_option and option_help:
# the options, the engine, a Debian without a registry, the context and the build.
# shellcheck shell=bash
[ -n "${HOME:-}" ] || HOME=$(getent passwd "$(id -u)" | cut -d : -f 6)
export HOME="${HOME:-/}"
images=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(dirname "$images")
here=$images/${name:?}
CACHE=${WS_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/workspaces}
PATH=$PATH:/usr/sbin:/sbin

tag=workspaces/$name base='' tree=false bin=$root/build-release/bin mirror=http://deb.debian.org/debian
declare -A build_args=()

say() { printf 'build: %s\n' "$*" >&2; }
die() {
        printf 'build: error: %s\n' "$*" >&2
        exit 1
}

usage() {
        cat <<END
usage: images/$name/build [--tag NAME] [--bin DIR] [--base IMAGE | --tree] [--mirror URL]

$about

  --tag NAME     what the image is called  [$tag]
  --bin DIR      where the programs are  [$bin]
  --base IMAGE   another base than the one that the Dockerfile pins
  --tree         no registry: the base is a Debian tree of our own; what it is made from is kept in
                 $CACHE
  --mirror URL   where Debian's packages come from  [$mirror]
END
        if declare -F option_help >/dev/null; then option_help; fi
}

parse_options() {
        while [ $# -gt 0 ]; do
                case $1 in
                --tag | --bin | --base | --mirror)
                        [ $# -ge 2 ] || die "$1 wants a value; see --help"
                        declare -g "${1#--}=$2"
                        shift
                        ;;
                --tree) tree=true ;;
                -h | --help)
                        usage
                        exit 0
                        ;;
                *)
                        if ! { declare -F take_option >/dev/null && take_option "$1"; }; then
                                usage >&2
                                exit 2
                        fi
                        ;;
                esac
                shift
        done
        if $tree && [ -n "$base" ]; then die "--base and --tree are two ways to a base: give one of them"; fi
}

# Everything that is needed before the first minute of work.
need_programs() { # FILE...
        local f
        for f in "$@"; do
                [ -x "$bin/$f" ] || die "no $f in $bin: build first (cmake --preset release && cmake --build --preset release), or give --bin"
                # A sanitizer's build has a library that no image has.
                ! ldd "$bin/$f" 2>/dev/null | grep -q 'lib[atu]b\{0,1\}san' || die "$bin/$f is a build with sanitizers: give --bin with another"
        done
        docker version >/dev/null 2>&1 ||
                die "no Docker Engine answers at ${DOCKER_HOST:-/var/run/docker.sock}: start one, or set DOCKER_HOST (images/local/engine starts one for tests)"
}

# quietly LABEL COMMAND...
quietly() {
        say "$1"
        shift
        "$@" >"$work/log" 2>&1 || {
                tail -n 20 "$work/log" >&2
                die "failed (see above)"
        }
}

short_hash() { sha256sum | cut -c 1-12; }
has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# Only one at a time makes a base; the others wait and find it.
lock_bases() {
        mkdir -p "$CACHE" || die "cannot make the cache folder $CACHE; set XDG_CACHE_HOME"
        exec 9>"$CACHE/.tree.lock"
        flock 9
}

# Keep the newest of a base's names only.
forget_others() { # REPOSITORY IMAGE
        docker images --format '{{.Repository}}:{{.Tag}}' "$1" | grep -vxF "$2" | xargs -r docker rmi >/dev/null 2>&1 || true
}

make_debian() { # FILE
        local to=$work/tree
        command -v debootstrap >/dev/null || die "debootstrap is not installed: images/local/install --test"
        [ "$(id -u)" = 0 ] || die "a tree of our own is made by debootstrap, which needs root: use --base with a Debian 12 image"
        quietly "a Debian tree (a minute or two, once)" \
                debootstrap --variant=minbase --include=ca-certificates bookworm "$to" "$mirror"
        # A machine behind a proxy trusts it; so do its images, or nothing comes by https.
        [ ! -d /usr/local/share/ca-certificates ] ||
                cp -R /usr/local/share/ca-certificates/. "$to/usr/local/share/ca-certificates/"
        chroot "$to" env PATH=/usr/sbin:/usr/bin:/sbin:/bin update-ca-certificates >/dev/null 2>&1 || true
        rm -rf "$to"/var/cache/apt/archives/*.deb "$to"/var/lib/apt/lists/*
        : >"$to/etc/resolv.conf"
        quietly "packing it" tar --zstd -C "$to" -cf "$1.new" .
        mv "$1.new" "$1"
        rm -rf --one-file-system "$to"
}

# The image of a plain Debian 12, in $debian. What is made of other text is another.
take_debian() {
        local key file
        key=$({ declare -f make_debian; echo "$mirror"; } | short_hash)
        debian=workspaces/debian:$key file=$CACHE/debian-$key.tar.zst
        has_image "$debian" && return 0
        lock_bases
        if [ ! -s "$file" ]; then
                rm -f "$CACHE"/debian-*.tar.zst
                make_debian "$file"
        fi
        say "importing the tree"
        zstd -dcq "$file" | docker import - "$debian" >/dev/null
        exec 9>&-
        forget_others workspaces/debian "$debian"
}

# A base made of the plain Debian and a folder that `fill FOLDER` writes: the folder's files go to the root.
# Made once for each text of `fill` and each WHAT.
take_base() { # WHAT
        local key repository=workspaces/$name-base
        take_debian
        key=$({ declare -f fill; echo "$debian $1"; } | short_hash)
        base=$repository:$key
        has_image "$base" && return 0
        lock_bases
        mkdir -p "$work/base/files"
        quietly "a base with $1" fill "$work/base/files"
        printf 'FROM %s\nCOPY files /\n' "$debian" >"$work/base/Dockerfile"
        quietly "keeping it as $base" docker_build "$base" "$work/base"
        rm -rf "$work/base"
        exec 9>&-
        forget_others "$repository" "$base"
}

docker_build() { # TAG CONTEXT [OPTION...]
        local to=$1 from=$2
        shift 2
        DOCKER_BUILDKIT=0 docker build -q --network "${WS_BUILD_NETWORK:-host}" "$@" -t "$to" "$from"
}

start_work() {
        work=$(mktemp -d /tmp/ws-image.XXXXXX)
        trap 'rm -rf --one-file-system "$work"' EXIT
        context=$work/context
        mkdir "$context"
}

# The programs, and the files of this image and of all, in the context.
stage() { # FILE... (of images/NAME)
        local f
        for f in "$@"; do cp -R "$here/$f" "$context/"; done
        cp "$here/Dockerfile" "$here/setup" "$context/"
        cp "$images/common/setup" "$context/common"
}

stage_programs() { # FILE...
        local f
        for f in "$@"; do
                cp "$bin/$f" "$context/"
                strip "$context/$f" 2>/dev/null || true
        done
}

# The profile of a workspace as it is in a container: all containers' students are one user for the kernel, which counts
# that user's processes together, so that `pids` of the controller limits each container.
stage_profile() { # [SED'S COMMANDS]
        sed "${1:-};"'s|^  "stop_grace"|  "limits": { "processes": 0 },\n&|' "$here/profile.json" >"$context/profile.json"
        grep -q '"processes": 0' "$context/profile.json" || die "$here/profile.json has no line of stop_grace to put the limits before"
}

# The same files, the same layers.
build_image() {
        local options=() k
        for k in "${!build_args[@]}"; do options+=(--build-arg "$k=${build_args[$k]}"); done
        [ -z "$base" ] || options+=(--build-arg "BASE=$base")
        find "$context" -exec touch -h -d @1700000000 {} +
        say "building $tag"
        docker_build "$tag" "$context" "${options[@]}" >"$work/log" 2>&1 || {
                tail -n 30 "$work/log" >&2
                die "the image could not be built"
        }
        tail -n 1 "$work/log"
}
