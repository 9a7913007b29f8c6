import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import { makeTemplate } from "../../../host/engine/template/make-template.ts";
import { TemplateStore } from "../../../host/engine/template/template-store.ts";
import { chooseAccelerator } from "../../../host/vm/accelerator.ts";
import { buildDebianImage } from "../../testing/debian-image.ts";
import { addTemplate } from "./add-template.ts";
import { ContainerCreates } from "./container-creates.ts";
import { memoryOfClones } from "./memory-of-clones.ts";
import { KINDS, StartTimes } from "./start-times.ts";

const PACKAGES = ["base-files", "dash", "python3-minimal"];

/**
 * Measures how long a sandbox takes that is booted, started from a template, forked, or taken from a pool, in turns: to
 * its first output, and to that of Python, which is loaded in the template. Then how long a clone takes to create its first
 * container. --json FILE writes the medians. Templates and records are in a directory of its own.
 */
async function main(): Promise<void> {
  const options = { rounds: { type: "string", default: "10" }, json: { type: "string" } } as const;
  const { values } = parseArgs({ options });
  const pythonImage = await buildDebianImage("bench-python", PACKAGES);
  const directory = mkdtempSync(join(tmpdir(), "bench-warm-"));
  Object.assign(process.env, { XDG_RUNTIME_DIR: directory, XDG_CACHE_HOME: directory });
  try {
    const image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    const busybox = { template: "busybox", image, command: ["echo", "ready"], output: "ready\n" } as const;
    const print = ["python3", "-c", "print(1)"] as const;
    const python = { template: "python", image: pythonImage, command: print, output: "1\n" };
    for (const workload of [busybox, python])
      await addTemplate(workload.template, { image: workload.image, commands: [workload.command] });
    const { path } = await new TemplateStore().create("base", (to) => makeTemplate(to, { name: "base" }));
    const [first, loaded, creates] = [new StartTimes(busybox), new StartTimes(python), new ContainerCreates(path)];
    for (let round = 0; round < Number(values.rounds); round++) {
      await first.round();
      await loaded.round();
      await creates.round();
    }
    process.stdout.write(textTable(startRows(first, loaded)));
    const { first: created, later } = creates;
    const ratio = (created.median / later.median).toFixed(2);
    const row = [created.median.toFixed(0), later.median.toFixed(0), ratio];
    process.stdout.write(textTable([["a clone's first create, ms", "later ones", "× later"], row]));
    process.stdout.write(textTable([["clones", "host's memory of each, MiB"], ...(await memoryOfClones("busybox"))]));
    const { kind } = await chooseAccelerator();
    process.stdout.write(`Medians of ${values.rounds}, in turns; ${kind}, busybox and Debian's Python, 512 MiB.\n`);
    if (values.json === undefined) return;
    const medians = KINDS.map((each) => {
      const { check, output } = first.times[each];
      return [each, { check_ms: check.median, exec_ms: output.median, python_ms: loaded.times[each].output.median }];
    });
    const create = { first_ms: created.median, later_ms: later.median };
    const text = JSON.stringify({ ...Object.fromEntries(medians), create }, undefined, 2);
    writeFileSync(resolve(values.json), `${text}\n`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function startRows(first: StartTimes, loaded: StartTimes): readonly string[][] {
  const rows = KINDS.map((kind) => {
    const [{ check, output }, python] = [first.times[kind], loaded.times[kind].output];
    return [
      ...[kind, check.median.toFixed(0), output.median.toFixed(0), output.p95.toFixed(0)],
      ...[(output.median / first.times.cold.output.median).toFixed(2), python.median.toFixed(0)],
      (python.median / loaded.times.cold.output.median).toFixed(2),
    ];
  });
  return [["ms", "first answer", "first output", "p95", "× cold", "python", "× cold"], ...rows];
}

await main();
