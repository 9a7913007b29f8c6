# build-layer.sh ENTER BASE WORK RUN PACKAGE…: installs packages over the root in BASE and runs a line of shell, as a Dockerfile
# does, and leaves what that changed in WORK/upper, with the marks of removed files that layers have. Call in a mount namespace and a pid
# namespace of its own.
set -e
enter=$1 base=$2 work=$3
shift 3 # RUN and the packages stay
mkdir -p "$work/upper" "$work/work" "$work/merged"
mount -t overlay -o "lowerdir=$base,upperdir=$work/upper,workdir=$work/work" overlay "$work/merged"
unshare --mount --propagation=private sh "$enter" "$work/merged" sh -c 'export DEBIAN_FRONTEND=noninteractive
  run=$1
  shift
  apt-get -q update && apt-get -q install --yes --no-install-recommends "$@" && sh -c "$run" && apt-get clean &&
  find /var/lib/apt/lists /tmp /run -xdev -type f -delete' sh "$@"
umount "$work/merged"
# A file that overlayfs marks as removed is a device 0:0; a layer has an empty file .wh.NAME in its place.
find "$work/upper" -type c | while read -r file; do
  if [ "$(stat -c %t:%T "$file")" = 0:0 ]; then
    rm "$file"
    : >"${file%/*}/.wh.${file##*/}"
  fi
done
