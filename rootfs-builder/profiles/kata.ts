import type { MadeOutput } from "../outputs/make-output.ts";
import { outputNamed } from "../outputs/output-names.ts";
import { isDax, rootParameters } from "./kernel-parameters.ts";
import type { Profile } from "./profile.ts";

/** File systems that Kata's kernels have built in and that `rootfs_type` accepts. */
const FILE_SYSTEMS = ["erofs", "erofs-lz4hc", "ext4"];

/** The host provides kernel, command line and start; only its configuration depends on us. */
export const kata: Profile = {
  defaultOutput: "erofs-dax-disk",
  takes(name) {
    const output = outputNamed(name);
    return output.kind === "initramfs" || (output.layout !== "plain" && FILE_SYSTEMS.includes(output.fileSystem));
  },
  kernel: "the host's",
  modules: () => [],
  starts({ root }) {
    return [
      {
        machine: "kata",
        kernelCommandLine: rootParameters(root, isDax(root.output)).join(" "),
        command: ["kata-runtime", "--config", "configuration.toml"],
        configuration: { "configuration.json": { hypervisor: { qemu: keys(root) } } },
        note: "configuration.json has the keys for the configuration's [hypervisor.qemu]; docs/kata.md has the rest",
      },
    ];
  },
};

function keys(root: MadeOutput): Readonly<Record<string, unknown>> {
  const output = outputNamed(root.output);
  if (output.kind === "initramfs") return { image: "", initrd: root.file };
  const { verity } = root;
  return {
    image: root.file,
    initrd: "",
    rootfs_type: output.fileSystem === "ext4" ? "ext4" : "erofs",
    disable_image_nvdimm: !isDax(root.output),
    kernel_verity_params:
      verity === undefined
        ? ""
        : `root_hash=${verity.rootHash},salt=${verity.salt},data_blocks=${verity.dataBlocks},` +
          `data_block_size=${verity.dataBlockSize},hash_block_size=${verity.hashBlockSize}`,
  };
}
