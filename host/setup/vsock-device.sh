# vhost-device-vsock from crates.io, a vsock device for hosts where /dev/vhost-vsock doesn't open. guestd's packages carry
# it, for those who ask for it. In a checkout only tests and a release need it: guests are reached over virtio-serial
# without one.

find_missing_vsock_device() {
  if [ "$goal" = release ]; then
    crate_is_static vhost-device-vsock || need_vsock_crate
    return 0
  fi
  if [ -c /dev/vhost-vsock ] && (: <>/dev/vhost-vsock) 2>/dev/null; then return 0; fi
  if has vhost-device-vsock || is_file "$cache/tools/bin/vhost-device-vsock" "$carried/vhost-device-vsock"; then return 0; fi
  [ "$goal" = test ] || [ "$vsock_device" = yes ] || return 0
  need_vsock_crate
}

need_vsock_crate() {
  need_crate vhost-device-vsock 0.3.0 "the guest's vsock, as /dev/vhost-vsock is unusable"
}
