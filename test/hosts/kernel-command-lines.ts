/** Kinds of guest root in a Kata configuration: `image` on an NVDIMM or on a disk, or `initrd`. */
export type KataRoot = "pmem" | "disk" | "initrd";

const AS_IMAGE: Readonly<Record<KataRoot, string>> = {
  pmem: "root=/dev/pmem0p1 rootflags=dax ro rootfstype=erofs",
  disk: "root=/dev/vda1 rootflags=ro rootfstype=erofs",
  initrd: "",
};
const SYSTEMD = [
  "systemd.unit=kata-containers.target",
  "systemd.mask=systemd-networkd.service",
  "systemd.mask=systemd-networkd.socket",
].join(" ");
/** Added with debug_console_enabled. */
const CONSOLE = "agent.debug_console agent.debug_console_vport=1026";

/** Kernel command lines of guests as both hosts pass them, with QEMU on x86_64. */
export const kernelCommandLines = {
  "go-shim": (root: KataRoot): string[] =>
    words(
      "tsc=reliable no_timer_check rcupdate.rcu_expedited=1 i8042.direct=1 i8042.dumbkbd=1 i8042.nopnp=1 i8042.noaux=1",
      "noreplace-smp reboot=k cryptomgr.notests net.ifnames=0 pci=lastbus=0",
      AS_IMAGE[root],
      "console=hvc0 console=hvc1 quiet systemd.show_status=false panic=1 nr_cpus=2 selinux=0",
      SYSTEMD,
      "scsi_mod.scan=none",
      CONSOLE,
      "agent.cdh_api_timeout=50",
    ),
  "runtime-rs": (root: KataRoot): string[] =>
    words("reboot=k panic=1", SYSTEMD, AS_IMAGE[root], "agent.cdh_api_timeout=50", CONSOLE),
};

function words(...parts: readonly string[]): string[] {
  return parts.join(" ").split(" ").filter(Boolean);
}
