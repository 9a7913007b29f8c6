/** Numbers of linux/capability.h: access to other users' files, ports below 1024, network devices. */
export const [CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN] = [1, 10, 12];

/** Capabilities of a guest's QEMU, for disks of other users, published ports below 1024, and the tap device that it creates. */
export function qemuCapabilities(argv: readonly string[]): readonly number[] {
  const usual = [CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE];
  return argv.some((word) => word.startsWith("tap,")) ? [...usual, CAP_NET_ADMIN] : usual;
}
