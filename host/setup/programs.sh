# Programs that the guest, the builds and the tests need, with their Debian packages.

# need PACKAGES NAME PURPOSE TEST…: adds the packages to the missing ones if the test fails.
need() {
  package=$1 name=$2 purpose=$3
  shift 3
  if "$@"; then return 0; fi
  packages="$packages $package"
  missing="$missing
  $(printf '%-24s %s (Debian package %s)' "$name" "$purpose" "$package")"
}

# True for Go 1.18, which the modules of the OCI suite require, or later.
has_go() {
  minor=$(go version 2>/dev/null | sed -n 's/^go version go1\.\([0-9]*\).*/\1/p')
  [ -n "$minor" ] && [ "$minor" -ge 18 ]
}

has_fuzzer() {
  has clang || return 1
  directory=$(clang -print-resource-dir)/lib
  is_file "$directory"/linux/libclang_rt.fuzzer-*.a "$directory"/*/libclang_rt.fuzzer.a
}

# True for any browser that the tests can drive.
has_browser() {
  [ -n "${GUESTD_CHROMIUM:-}" ] ||
    is_file /usr/bin/chromium-headless-shell /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome
}

find_missing_programs() {
  case $(uname -m) in
    aarch64) need qemu-system-arm qemu-system-aarch64 "runs the guest" has qemu-system-aarch64 ;;
    *) need qemu-system-x86 qemu-system-x86_64 "runs the guest" has qemu-system-x86_64 ;;
  esac
  if [ "$goal" != guest ]; then need gcc gcc "compiles init and the addon" has gcc; fi
  if [ "$goal" != guest ]; then need libc6-dev "static C library" "linked into init" is_file /usr/lib/*/libc.a /usr/lib/libc.a /usr/lib64/libc.a; fi
  if [ "$goal" != guest ]; then need libseccomp-dev libseccomp "linked into the agent's seccomp addon" is_file /usr/lib/*/libseccomp.a /usr/lib/libseccomp.a /usr/lib64/libseccomp.a; fi
  if [ "$goal" != guest ]; then need erofs-utils mkfs.erofs "builds the guest image" has mkfs.erofs; fi
  if [ "$goal" != guest ]; then need cpio cpio "builds the guest's initramfs" has cpio; fi
  need util-linux setpriv "ends the program of a share with its monitor" has setpriv
  need ca-certificates "CA certificates" "verify downloads" is_file /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/cert.pem
  if [ "$goal" = test ]; then need libcap-ng-dev "libcap-ng" "its licence goes into the packages" is_file /usr/share/doc/libcap-ng-dev/copyright; fi
  if [ "$goal" = test ]; then need crun crun "compared in the benchmark" has crun; fi
  if [ "$goal" = test ]; then need containerd containerd "runs containers by the shim in a test" has containerd; fi
  if [ "$goal" = test ]; then need runc runc "compared in the benchmark" has runc; fi
  if [ "$goal" = test ]; then need e2fsprogs mkfs.ext4 "formats disks for the tests' guests" is_file /usr/sbin/mkfs.ext4 /sbin/mkfs.ext4; fi
  if [ "$goal" = test ]; then need xfsprogs mkfs.xfs "formats disks for the tests' guests" is_file /usr/sbin/mkfs.xfs /sbin/mkfs.xfs; fi
  if [ "$goal" = test ]; then need squashfs-tools mksquashfs "builds squashfs roots" has mksquashfs; fi
  if [ "$goal" = test ]; then need cryptsetup-bin veritysetup "builds roots with dm-verity" is_file /usr/sbin/veritysetup /sbin/veritysetup; fi
  if [ "$goal" != guest ]; then need attr getfattr "reads and sets extended attributes of files for images" has getfattr; fi
  if [ "$goal" = test ]; then need lz4 lz4 "unpacks kernels" has lz4; fi
  if [ "$goal" = test ]; then need zstd zstd "unpacks the tests' initramfs" has zstd; fi
  if [ "$goal" = test ]; then need busybox-static busybox "fills the tests' root file systems" has busybox; fi
  if [ "$goal" = test ]; then need iproute2 ip "sets up the tests' networks" is_file /usr/sbin/ip /sbin/ip /bin/ip; fi
  if [ "$goal" = test ]; then need iptables iptables-restore "sets the tests' firewall rules" is_file /usr/sbin/iptables-restore; fi
  if [ "$goal" = test ]; then need openssl openssl "creates certificates for the tests' registries" has openssl; fi
  if [ "$goal" = test ]; then need python3 python3 "reads extended attributes in a test" has python3; fi
  if [ "$goal" = test ]; then need golang-go "go 1.18" "builds the validation programs of the OCI runtime tests" has_go; fi
  if [ "$goal" = test ]; then need openssh-client ssh "connects to containers in tests" has ssh; fi
  if [ "$goal" = test ]; then need rsync rsync "copies to containers in tests" has rsync; fi
  if [ "$goal" = test ]; then need debootstrap debootstrap "creates a clean Debian for a test" is_file /usr/sbin/debootstrap; fi
  if [ "$goal" = test ]; then need chromium chromium "shows pages in tests" has_browser; fi
  if [ "$goal" = test ]; then need tmux tmux "shows guestctl top in tests" has tmux; fi
  if [ "$goal" = test ]; then need git git "clones from containers in tests" has git; fi
  if [ "$goal" = test ]; then need tcpdump tcpdump "reads captured packets in tests" is_file /usr/bin/tcpdump /usr/sbin/tcpdump /sbin/tcpdump; fi
  if [ "$goal" != guest ]; then need musl-tools musl-gcc "links init, which is small and forks fast with musl" has musl-gcc; fi
  if [ "$dev" = yes ]; then need strace strace "counts the system calls of an exec" has strace; fi
  if [ "$dev" = yes ]; then need "clang libclang-rt-dev" "clang with libFuzzer" "builds the fuzzers" has_fuzzer; fi
}
