import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { repositoryRoot } from "../../../host/vm/paths.ts";
import { findQemu } from "../../../host/vm/programs.ts";
import { reason } from "../../../lib/reason.ts";
import { packagedNode } from "../../../rootfs-builder/image/stripped-node.ts";
import { buildDebianImage } from "../../testing/debian-image.ts";
import { addTemplate } from "../warm/add-template.ts";
import { CacheRounds, COMPILER, type Start } from "./cache-rounds.ts";

const STARTS: readonly Start[] = ["cold", "template"];

/**
 * Measures guests without KVM by the size of QEMU's translation cache, in turns: memory, and times of the boot, of an exec, and
 * of programs in Node. --sizes lists MiB, "default" is QEMU's own.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      sizes: { type: "string", default: "32,64,96,128,192,256,default" },
      rounds: { type: "string", default: "1" },
    },
  });
  const directory = mkdtempSync(join(tmpdir(), "bench-translation-"));
  Object.assign(process.env, { XDG_RUNTIME_DIR: directory, XDG_CACHE_HOME: directory, GUESTD_ACCEL: "tcg" });
  try {
    const image = await buildDebianImage(
      "bench-node",
      ["base-files", "dash", "libstdc++6"],
      [
        { file: packagedNode(), to: "/usr/bin/node", mode: "0755" },
        ...COMPILER.map((name) => ({
          file: join(repositoryRoot, "node_modules/typescript/lib", name),
          to: `/compiler/${name}`,
        })),
      ],
    );
    const choose = putBefore(findQemu(), directory);
    await addTemplate("node", { image, commands: [] });
    const all = values.sizes.split(",").flatMap((size) => STARTS.map((start) => new CacheRounds(size, start, image)));
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const rounds of all) {
        choose(rounds.size);
        await rounds.round();
      }
    }
    process.stdout.write(textTable([CacheRounds.head, ...all.map((rounds) => rounds.row)]));
    process.stdout.write(`Medians of ${values.rounds}, in turns; MiB and s of QEMU, guests of 512 MiB.\n`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Puts a script before QEMU in PATH. Returns a function that chooses the size of the cache of guests started afterwards. */
function putBefore(qemu: string, directory: string): (size: string) => void {
  process.env["PATH"] = `${directory}${delimiter}${process.env["PATH"]}`;
  const script = join(directory, "qemu-system-x86_64");
  const choose = (size: string) => {
    const accelerator = size === "default" ? "tcg" : `tcg,tb-size=${size}`;
    writeFileSync(script, `#!/bin/bash\nexec ${qemu} "\${@/#tcg*/${accelerator}}"\n`);
    chmodSync(script, 0o755);
  };
  choose("default");
  return choose;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:translation: ${reason(error)}\n`);
  process.exitCode = 1;
}
