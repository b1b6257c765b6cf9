#!/bin/bash
# Fetch and make the data that the benchmarks run on: two nights each of a source tree (many small files) and of FITS
# images (few large ones). Debian or Ubuntu on x86-64, with `apt-get update` done; about 5 minutes and 7 GB, network only
# to the Debian and PyPI mirrors. A set that is there already is left alone.
#
#     fetch-data.sh [DIR]        DIR is $BACKUP_BENCH_DATA or target/bench-data by default
#
#     DIR/linux/night1, night2   the kernel source of two Debian versions
#     DIR/fits/night1, night2    real FITS of several packages, and generated mosaics (make-fits.py)
set -euo pipefail

dir=${1:-${BACKUP_BENCH_DATA:-target/bench-data}}
here=$(cd "$(dirname "$0")" && pwd)
wanted=(6.1.170-3 6.1.176-1) # of linux-source-6.1; 1,317 files changed between them

need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || apt-get install -y -qq "$2"
}

deb() { # PACKAGE[=VERSION] FOLDER: unpack a Debian package there
    mkdir -p "$2/.deb"
    (cd "$2/.deb" && apt-get download -qq -o APT::Sandbox::User=root "$1")
    dpkg-deb -x "$2"/.deb/*.deb "$2"
    rm -r "$2/.deb"
}

wheel() { # PACKAGE==VERSION FOLDER: unzip a Python package there, without installing it
    mkdir -p "$2/.wheel"
    "$python" -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
        --platform manylinux2014_x86_64 -d "$2/.wheel" "$1"
    "$python" -m zipfile -e "$2"/.wheel/*.whl "$2"
    rm -r "$2/.wheel"
}

make_linux() { # FOLDER
    local offered version n=0
    offered=$(apt-cache madison linux-source-6.1 | awk '{print $3}' | sort -uV)
    for version in "${wanted[@]}"; do
        if ! grep -qxF -- "$version" <<<"$offered"; then
            mapfile -t wanted < <(tail -n 2 <<<"$offered")
            echo "fetch-data: linux-source-6.1 $version is not offered any more: taking ${wanted[*]}" >&2
            break
        fi
    done
    [ ${#wanted[@]} = 2 ] || { echo "fetch-data: apt does not offer two versions of linux-source-6.1" >&2; exit 1; }
    for version in "${wanted[@]}"; do
        n=$((n + 1))
        deb "linux-source-6.1=$version" "$1/deb"
        mkdir "$1/new$n"
        tar -xJf "$1/deb/usr/src/linux-source-6.1.tar.xz" -C "$1/new$n" --strip-components=1
        rm -r "$1/deb"
    done
    mv "$1/new1" "$1/night1"
    cp -a "$1/night1" "$1/night2"
    rsync -rlpc --delete "$1/new2/" "$1/night2/" # by content: files that are the same keep their times
    rm -r "$1/new2"
    printf '%s\n' "${wanted[@]}" >"$1/versions"
}

make_fits() { # FOLDER
    local u=$1/unpacked
    python=python3
    if ! python3 -c 'import numpy, pip' 2>/dev/null; then
        python3 -c 'import ensurepip' 2>/dev/null || apt-get install -y -qq python3-venv
        python3 -m venv "$dir/.venv"
        python=$dir/.venv/bin/python
        "$python" -m pip install -q --disable-pip-version-check numpy
    fi
    wheel msfc-ccd==1.2.0 "$u/msfc-ccd"
    wheel DBSP_DRP==1.0.0.post4 "$u/dbsp-drp"
    wheel mpdaf==3.6 "$u/mpdaf"
    wheel xrtpy==0.5.1 "$u/xrtpy"
    wheel ixpeobssim==33.2.1 "$u/ixpeobssim"
    wheel keckdrpframework==1.0.0 "$u/keckdrpframework"
    deb eso-midas-testdata "$u/eso-midas-testdata"
    deb astrometry-data-tycho2-07-littleendian "$u/tycho2-07"
    deb astrometry-data-tycho2-10-19-littleendian "$u/tycho2-10-19"
    mkdir "$1/night1"
    "$python" "$here/make-fits.py" night1 "$u" "$1/night1"
    cp -a "$1/night1" "$1/night2"
    "$python" "$here/make-fits.py" night2 "$1/night2"
    rm -r "$u"
}

count() { # FOLDER
    find "$1" -type f -printf '%s\n' | awk -v name="$1" '{s += $1} END {printf "%s: %d files, %.3f GB\n", name, NR, s / 1e9}'
}

mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9
need rsync rsync
need xz xz-utils
need python3 python3-venv
for set in linux fits; do
    if [ ! -e "$dir/$set" ]; then
        part=$dir/.$set.part
        rm -rf "$part"
        mkdir "$part"
        "make_$set" "$part"
        sync -f "$part"
        mv -T "$part" "$dir/$set"
    fi
    count "$dir/$set/night1"
    count "$dir/$set/night2"
done
