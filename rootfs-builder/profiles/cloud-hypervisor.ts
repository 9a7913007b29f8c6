import { bounceParameters, isDax, LEFT_OUT, rootParameters } from "./kernel-parameters.ts";
import { memoryMib, type Profile } from "./profile.ts";

/** PCI only; virtio-pmem for persistent memory; the kernel is an ELF file with a PVH entry. */
export const cloudHypervisor: Profile = {
  defaultOutput: "erofs-dax-disk",
  takes: () => true,
  kernel: "vmlinux",
  modules: (output) => [
    ...["virtio_pci", "vmw_vsock_virtio_transport", "virtiofs"],
    ...(isDax(output) ? ["virtio_pmem", "nd_pmem"] : []),
    ...["virtio_blk", "virtio_net", "overlay"],
  ],
  starts({ kernel, initrd, root }) {
    const line = [
      "console=ttyS0",
      "quiet",
      "panic=-1",
      ...LEFT_OUT,
      ...bounceParameters(root.output),
      ...rootParameters(root, true),
    ].join(" ");
    const disk = isDax(root.output)
      ? ["--pmem", `file=${root.file},discard_writes=on`]
      : ["--disk", `path=${root.file},readonly=on`];
    return [
      {
        machine: "cloud-hypervisor",
        kernelCommandLine: line,
        command: [
          ...["cloud-hypervisor", "--cpus", "boot=1", "--memory", `size=${memoryMib(root)}M,shared=on`],
          ...["--kernel", kernel, ...(initrd === undefined ? [] : ["--initramfs", initrd]), "--cmdline", line],
          ...(root.output.startsWith("initramfs") ? [] : disk),
          ...["--vsock", "cid=3,socket=vsock.sock", "--serial", "tty", "--console", "off"],
        ],
        note: "vsock.sock is hybrid vsock: guestctl --address hvsock://vsock.sock:1024",
      },
    ];
  },
};
