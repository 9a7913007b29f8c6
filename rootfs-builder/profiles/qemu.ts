import { bounceParameters, isDax, LEFT_OUT, rootParameters } from "./kernel-parameters.ts";
import { type GuestFiles, memoryMib, type Profile, type Start } from "./profile.ts";

const CONSOLE = ["console=ttyS0", "quiet", "panic=-1", ...LEFT_OUT];
const BARE = "-cpu max -nodefaults -no-user-config -display none -serial stdio -no-reboot".split(" ");
const MIB = 1024 * 1024;

/** QEMU with its full machine, and with the small one that has no PCI. */
export const qemu: Profile = {
  defaultOutput: "erofs-dax-disk",
  takes: () => true,
  kernel: "bzImage",
  modules: (output) => [
    ...["virtio_pci", "virtio_mmio", "vmw_vsock_virtio_transport", "virtiofs"],
    ...(isDax(output) ? ["nfit", "nd_pmem"] : []),
    ...["virtio_blk", "virtio_scsi", "sd_mod", "virtio_net", "overlay"],
  ],
  starts: (files) => [q35(files), microvm(files)],
};

function q35(files: GuestFiles): Start {
  const { root } = files;
  const dax = isDax(root.output);
  const line = [...CONSOLE, ...bounceParameters(root.output), ...rootParameters(root, true)].join(" ");
  const memory = `${memoryMib(root)}M`;
  const backend = `memory-backend-file,id=root,mem-path=${root.file},size=${root.size / MIB}M,share=on,readonly=on`;
  const device = dax ? ["-object", backend, "-device", "nvdimm,memdev=root,unarmed=on"] : disk(files, "virtio-blk-pci");
  return {
    machine: "q35",
    kernelCommandLine: line,
    command: [
      ...["qemu-system-x86_64", "-M", `q35,accel=kvm:tcg${dax ? ",nvdimm=on" : ""}`],
      ...["-m", dax ? `${memory},slots=2,maxmem=4G` : memory, ...BARE, ...boot(files, line)],
      ...[...device, "-device", "vhost-vsock-pci,guest-cid=3"],
    ],
  };
}

function microvm(files: GuestFiles): Start {
  const line = [...CONSOLE, ...rootParameters(files.root, false)].join(" ");
  return {
    machine: "microvm",
    kernelCommandLine: line,
    command: [
      ...["qemu-system-x86_64", "-M", "microvm,accel=kvm:tcg,rtc=on", "-m", `${memoryMib(files.root)}M`],
      ...[...BARE, ...boot(files, line), ...disk(files, "virtio-blk-device")],
      ...["-device", "vhost-vsock-device,guest-cid=3"],
    ],
    note: "without KVM the kernel also needs tsc_early_khz=<kHz of the host's time stamp counter>",
  };
}

function boot({ kernel, initrd }: GuestFiles, line: string): readonly string[] {
  return ["-kernel", kernel, ...(initrd === undefined ? [] : ["-initrd", initrd]), "-append", line];
}

function disk({ root }: GuestFiles, device: string): readonly string[] {
  if (root.output.startsWith("initramfs")) return [];
  return ["-drive", `id=root,file=${root.file},format=raw,if=none,readonly=on`, "-device", `${device},drive=root`];
}
