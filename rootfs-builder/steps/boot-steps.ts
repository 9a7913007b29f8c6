import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { guestKernel, type Kernel } from "../debian/kernel-package.ts";
import { digestOf } from "../digest.ts";
import { bootModules, buildInitramfs } from "../initramfs/initramfs.ts";
import { resolveModules } from "../initramfs/modules.ts";
import { writeByRename } from "../write-files.ts";
import { type BuildContext, nativeFile } from "./context.ts";
import type { Step } from "./step.ts";

export function kernelStep(context: BuildContext): Step {
  const target = join(context.to, "image", "vmlinuz");
  return {
    name: "kernel",
    outputs: [target],
    key: async () => context.digests.file((await kernel(context)).image),
    build: async () => writeByRename(target, async (temporary) => copyFile((await kernel(context)).image, temporary)),
  };
}

export function initramfsStep(context: BuildContext): Step {
  const target = join(context.to, "image", "initrd.cpio");
  return {
    name: "initramfs",
    outputs: [target],
    async key() {
      const { release, image } = await kernel(context);
      const init = await context.digests.file(await nativeFile(context, "init"));
      // The modules are from the same package as the image.
      return digestOf(
        context.builder,
        release,
        await context.digests.file(image),
        init,
        String(context.verity === true),
        String(context.signedModules === true),
      );
    },
    async build() {
      const { signedModules: signed = false } = context;
      const modules = await resolveModules((await kernel(context)).modules, bootModules(context), { signed });
      const archive = buildInitramfs({ init: await readFile(await nativeFile(context, "init")), modules });
      await writeByRename(target, (temporary) => writeFile(temporary, archive));
    },
  };
}

async function kernel({ inputs }: BuildContext): Promise<Kernel> {
  return guestKernel(await inputs.kernelRelease());
}
