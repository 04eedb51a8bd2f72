#!/bin/sh
# Installs the library that cargo has built, or with --uninstall removes it. `make install` calls this; it takes its settings
# from the environment: PREFIX, LIBDIR, INCLUDEDIR, DESTDIR, LIBZMQ_COMPAT (1: libzmq's names as well), BUILD (cargo's output
# folder), CC, LD, AR, OBJCOPY.
#
# The shared libraries and the static one are linked here from one relocatable object in which only zmq_* and monocoque_*
# are global, so that a program may hold another Rust library, or symbols of its own of any other name.
set -eu
cd "$(dirname "$0")"

: "${PREFIX:=/usr/local}" "${LIBZMQ_COMPAT:=0}" "${BUILD:=target/release}"
: "${LIBDIR:=$PREFIX/lib}" "${INCLUDEDIR:=$PREFIX/include}"
: "${CC:=cc}" "${LD:=ld}" "${AR:=ar}" "${OBJCOPY:=objcopy}"
lib=${DESTDIR:-}$LIBDIR
include=${DESTDIR:-}$INCLUDEDIR
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
soname=libmonocoque.so.${version%%.*}

# What cargo built, as one object: the roots are the functions in the header, what they do not reach is left out, and
# everything else becomes local. The intermediate code that the standard library carries is of no use outside rustc.
make_object() {
    printf '{ global: zmq_*; monocoque_*; local: *; };\n' > "$stage/exports.map"
    sed -n '/^ \*/d; s/^.*\<\(\(zmq\|monocoque\)_[a-z0-9_]*\)(.*$/-u \1/p' include/monocoque.h > "$stage/roots"
    "$LD" -r --force-group-allocation --gc-sections "@$stage/roots" "$BUILD/libmonocoque.a" -o "$stage/all.o"
    "$OBJCOPY" --wildcard --keep-global-symbol='zmq_*' --keep-global-symbol='monocoque_*' \
        --remove-section=.llvmbc --remove-section=.llvmcmd "$stage/all.o" "$stage/monocoque.o"
}

# shared_library FILE SONAME LINK: the library under its full name, and the names by which it is loaded and linked.
shared_library() {
    $CC -shared -Wl,-soname,"$2" -Wl,--version-script="$stage/exports.map" -Wl,-z,nodelete,-z,relro,-z,now \
        -Wl,--as-needed -Wl,--gc-sections "$stage/monocoque.o" -lpthread -ldl -lm -o "$stage/$1"
    install -m 755 "$stage/$1" "$lib/$1"
    ln -sf "$1" "$lib/$2"
    ln -sf "$2" "$lib/$3"
}

# describe PKGCONFIG-NAME CMAKE-NAME VERSION LIBRARY SONAME HEADERS TARGET STATIC-TARGET: the files by which pkg-config and
# CMake find the library. HEADERS is the folder of zmq.h below the one for headers.
describe() {
    install -d "$lib/pkgconfig" "$lib/cmake/$2"
    include_from_lib=$(realpath -m --relative-to="$LIBDIR" "$INCLUDEDIR")
    for file in "pkgconfig/library.pc.in:pkgconfig/$1.pc" "cmake/Config.cmake.in:cmake/$2/$2Config.cmake" \
        "cmake/ConfigVersion.cmake.in:cmake/$2/$2ConfigVersion.cmake"; do
        sed -e "s|@NAME@|$1|g" -e "s|@PACKAGE@|$2|g" -e "s|@VERSION@|$3|g" -e "s|@LIBRARY@|$4|g" -e "s|@SONAME@|$5|g" \
            -e "s|@HEADERS@|$6|g" -e "s|@TARGET@|$7|g" -e "s|@STATIC_TARGET@|$8|g" -e "s|@PREFIX@|$PREFIX|g" \
            -e "s|@LIBDIR@|$LIBDIR|g" -e "s|@INCLUDEDIR@|$INCLUDEDIR|g" \
            -e "s|@INCLUDEDIR_FROM_LIBDIR@|$include_from_lib|g" "${file%%:*}" > "$lib/${file#*:}"
    done
}

install_monocoque() {
    make_object
    install -d "$lib" "$include/monocoque"
    shared_library "libmonocoque.so.$version" "$soname" libmonocoque.so
    "$AR" rcs "$stage/libmonocoque.a" "$stage/monocoque.o"
    install -m 644 "$stage/libmonocoque.a" "$lib/"
    install -m 644 include/monocoque.h "$include/"
    install -m 644 include/zmq.h include/zmq_utils.h "$include/monocoque/"
    describe monocoque monocoque "$version" monocoque "$soname" /monocoque monocoque::monocoque monocoque::monocoque-static
}

install_libzmq() {
    shared_library libzmq.so.5.2.5 libzmq.so.5 libzmq.so
    ln -sf libmonocoque.a "$lib/libzmq.a"
    install -m 644 include/zmq.h include/zmq_utils.h "$include/"
    describe libzmq ZeroMQ 4.3.5 zmq libzmq.so.5 "" libzmq libzmq-static
}

uninstall() {
    rm -rf "$lib/cmake/monocoque" "$include/monocoque"
    rm -f "$lib/libmonocoque.so.$version" "$lib/$soname" "$lib/libmonocoque.so" "$lib/libmonocoque.a" \
        "$lib/pkgconfig/monocoque.pc" "$include/monocoque.h"
    if [ "$LIBZMQ_COMPAT" = 1 ]; then
        rm -rf "$lib/cmake/ZeroMQ"
        rm -f "$lib/libzmq.so.5.2.5" "$lib/libzmq.so.5" "$lib/libzmq.so" "$lib/libzmq.a" "$lib/pkgconfig/libzmq.pc" \
            "$include/zmq.h" "$include/zmq_utils.h"
    fi
}

if [ "${1:-}" = --uninstall ]; then
    uninstall
else
    install_monocoque
    if [ "$LIBZMQ_COMPAT" = 1 ]; then
        install_libzmq
    fi
fi
