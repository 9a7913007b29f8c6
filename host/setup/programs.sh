# What the guest, the builds and the tests run, and the Debian package that brings it.

# need PACKAGES NAME PURPOSE TEST…: notes packages and purpose when the test fails.
need() {
  package=$1 name=$2 purpose=$3
  shift 3
  if "$@"; then return 0; fi
  packages="$packages $package"
  missing="$missing
  $(printf '%-24s %s (Debian package %s)' "$name" "$purpose" "$package")"
}

# Modules of the OCI suite say `go 1.18` or later.
has_go() {
  minor=$(go version 2>/dev/null | sed -n 's/^go version go1\.\([0-9]*\).*/\1/p')
  [ -n "$minor" ] && [ "$minor" -ge 18 ]
}

has_fuzzer() {
  has clang || return 1
  directory=$(clang -print-resource-dir)/lib
  is_file "$directory"/linux/libclang_rt.fuzzer-*.a "$directory"/*/libclang_rt.fuzzer.a
}

find_missing_programs() {
  case $(uname -m) in
    aarch64) need qemu-system-arm qemu-system-aarch64 "runs the guest" has qemu-system-aarch64 ;;
    *) need qemu-system-x86 qemu-system-x86_64 "runs the guest" has qemu-system-x86_64 ;;
  esac
  need gcc gcc "compiles init and the addon" has gcc
  need libc6-dev "static C library" "init is linked with it" is_file /usr/lib/*/libc.a /usr/lib/libc.a /usr/lib64/libc.a
  need libseccomp-dev libseccomp "the agent's seccomp addon is linked with it" is_file /usr/lib/*/libseccomp.a /usr/lib/libseccomp.a /usr/lib64/libseccomp.a
  need erofs-utils mkfs.erofs "makes the guest image" has mkfs.erofs
  need cpio cpio "makes the guest's initramfs" has cpio
  need util-linux setpriv "ends a guest's processes with the command that started them" has setpriv
  need ca-certificates "CA certificates" "for downloads" is_file /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/cert.pem
  if [ "$goal" = test ]; then need crun crun "the benchmark compares with it" has crun; fi
  if [ "$goal" = test ]; then need runc runc "the benchmark compares with it" has runc; fi
  if [ "$goal" = test ]; then need e2fsprogs mkfs.ext4 "makes disks for the tests' guests" is_file /usr/sbin/mkfs.ext4 /sbin/mkfs.ext4; fi
  if [ "$goal" = test ]; then need xfsprogs mkfs.xfs "makes disks for the tests' guests" is_file /usr/sbin/mkfs.xfs /sbin/mkfs.xfs; fi
  if [ "$goal" = test ]; then need squashfs-tools mksquashfs "makes roots of the squashfs kind" has mksquashfs; fi
  if [ "$goal" = test ]; then need cryptsetup-bin veritysetup "makes roots that dm-verity checks" is_file /usr/sbin/veritysetup /sbin/veritysetup; fi
  need attr getfattr "reads and sets extended attributes of files for images" has getfattr
  if [ "$goal" = test ]; then need lz4 lz4 "unpacks kernels" has lz4; fi
  if [ "$goal" = test ]; then need zstd zstd "unpacks initramfs of tests" has zstd; fi
  if [ "$goal" = test ]; then need busybox-static busybox "fills the tests' root file systems" has busybox; fi
  if [ "$goal" = test ]; then need iproute2 ip "sets up the networks of tests" is_file /usr/sbin/ip /sbin/ip /bin/ip; fi
  if [ "$goal" = test ]; then need iptables iptables-restore "sets the rules of tests" is_file /usr/sbin/iptables-restore; fi
  if [ "$goal" = test ]; then need openssl openssl "makes the certificates of tests' registries" has openssl; fi
  if [ "$goal" = test ]; then need python3 python3 "reads extended attributes in a test" has python3; fi
  if [ "$goal" = test ]; then need golang-go "go 1.18" "builds the validation programs of the OCI runtime tests" has_go; fi
  need musl-tools musl-gcc "links init: with musl it is small, and forks fast" has musl-gcc
  if [ "$dev" = yes ]; then need strace strace "counts the system calls of an exec" has strace; fi
  if [ "$dev" = yes ]; then need "clang libclang-rt-dev" "clang with libFuzzer" "builds the fuzzers" has_fuzzer; fi
}
