import { LEFT_OUT, rootParameters } from "./kernel-parameters.ts";
import { memoryMib, type Profile } from "./profile.ts";

const CONFIGURATION = "firecracker.json";

/**
 * virtio-mmio only, described by ACPI (Firecracker 1.8 and newer), without PCI. The drive isn't declared the root
 * device, because Firecracker would add its own root=.
 */
export const firecracker: Profile = {
  defaultOutput: "squashfs",
  takes: (output) => !output.includes("dax"),
  kernel: "vmlinux",
  modules: () => ["virtio_mmio", "vmw_vsock_virtio_transport", "virtio_blk", "virtio_net", "overlay"],
  starts({ kernel, initrd, root }) {
    const line = [
      "console=ttyS0",
      "reboot=k",
      "panic=1",
      "pci=off",
      "quiet",
      ...LEFT_OUT,
      ...rootParameters(root, false),
    ].join(" ");
    const drive = { drive_id: "root", path_on_host: root.file, is_root_device: false, is_read_only: true };
    return [
      {
        machine: "firecracker",
        kernelCommandLine: line,
        command: ["firecracker", "--no-api", "--config-file", CONFIGURATION],
        configuration: {
          [CONFIGURATION]: {
            "boot-source": {
              kernel_image_path: kernel,
              initrd_path: initrd,
              boot_args: line,
            },
            drives: root.output.startsWith("initramfs") ? [] : [drive],
            "machine-config": { vcpu_count: 1, mem_size_mib: memoryMib(root) },
            vsock: { guest_cid: 3, uds_path: "vsock.sock" },
          },
        },
        note: "vsock.sock is hybrid vsock. Firecracker has no power-off: end its process after DestroySandbox",
      },
    ];
  },
};
