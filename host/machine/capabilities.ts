/** Numbers of linux/capability.h: access to other users' files, ports below 1024, network devices. */
export const [CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN] = [1, 10, 12];

/** Capabilities of a guest's QEMU: a disk may be another user's, and a published port below 1024. A tap device is QEMU's own. */
export function qemuCapabilities(argv: readonly string[]): readonly number[] {
  const usual = [CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE];
  return argv.some((word) => word.startsWith("tap,")) ? [...usual, CAP_NET_ADMIN] : usual;
}
