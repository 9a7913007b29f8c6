# Selects the guest's vsock device: the host kernel's if /dev/vhost-vsock opens, otherwise vhost-device-vsock from
# crates.io.

find_missing_vsock_device() {
  if [ -c /dev/vhost-vsock ] && (: <>/dev/vhost-vsock) 2>/dev/null; then return 0; fi
  if has vhost-device-vsock || is_file "$cache/tools/bin/vhost-device-vsock"; then return 0; fi
  need_crate vhost-device-vsock 0.3.0 "the guest's vsock, as /dev/vhost-vsock is unusable"
}
