import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { containerNotes } from "../../../host/guests/template/container-notes.ts";
import { startTemplateContainer } from "../../../host/guests/template/template-container.ts";
import { makeBusyboxImage } from "../../../host/image/make-image.ts";
import { chooseAccelerator } from "../../../host/machine/accelerator.ts";
import { makeTemplate } from "../../../host/sandbox/make-template.ts";
import { type CreateOptions, Sandbox } from "../../../host/sdk/index.ts";
import { StateStore } from "../../../host/state/state-store.ts";
import { TemplateStore } from "../../../host/template/template-store.ts";
import { Samples } from "../samples.ts";

const KINDS = ["cold", "template", "fork", "pool"] as const;
const TEMPLATE = "bench";
const POOL_MS = 120_000;

/** Milliseconds from the call to the agent's first answer, and to the output of the first command in the container. */
interface Times {
  readonly check: Samples;
  readonly exec: Samples;
}

/**
 * Measures how long a sandbox takes that is booted, started from a template, forked, or taken from a pool, in turns; --json
 * FILE writes the medians. Templates and records are in a directory of its own.
 */
async function main(): Promise<void> {
  const options = { rounds: { type: "string", default: "10" }, json: { type: "string" } } as const;
  const { values } = parseArgs({ options });
  const directory = mkdtempSync(join(tmpdir(), "bench-warm-"));
  Object.assign(process.env, { XDG_RUNTIME_DIR: directory, XDG_CACHE_HOME: directory });
  try {
    const image = join(directory, "busybox.tar");
    await makeBusyboxImage(image);
    await addTemplate(image);
    const times = Object.fromEntries(KINDS.map((kind) => [kind, { check: new Samples(), exec: new Samples() }]));
    for (let round = 0; round < Number(values.rounds); round++) await measureOnce(image, times as Record<Kind, Times>);
    const cold = times["cold"] as Times;
    const rows = KINDS.map((kind) => {
      const { check, exec } = times[kind] as Times;
      const ratio = (exec.median / cold.exec.median).toFixed(2);
      return [kind, check.median.toFixed(0), exec.median.toFixed(0), exec.p95.toFixed(0), ratio];
    });
    process.stdout.write(textTable([["ms", "first answer", "first output", "p95", "× cold"], ...rows]));
    process.stdout.write(textTable([["clones", "host's memory of each, MiB"], ...(await memoryOfClones())]));
    const { kind } = await chooseAccelerator();
    process.stdout.write(`Medians of ${values.rounds}, in turns; ${kind}, busybox, 512 MiB.\n`);
    if (values.json !== undefined) {
      const medians = KINDS.map((each) => {
        const { check, exec } = times[each] as Times;
        return [each, { check_ms: check.median, exec_ms: exec.median }];
      });
      writeFileSync(resolve(values.json), `${JSON.stringify(Object.fromEntries(medians), undefined, 2)}\n`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

type Kind = (typeof KINDS)[number];

async function addTemplate(image: string): Promise<void> {
  const { signal } = new AbortController();
  const output = { stdout: process.stderr, stderr: process.stderr };
  const container = { name: TEMPLATE, image: { path: image }, imageText: image, commands: [], output, signal };
  await new TemplateStore().create(TEMPLATE, (path) =>
    makeTemplate(path, {
      name: TEMPLATE,
      prepare: async (client, guest) => containerNotes([await startTemplateContainer(client, guest, container)]),
    }),
  );
}

async function measureOnce(image: string, times: Readonly<Record<Kind, Times>>): Promise<void> {
  const create = (options: CreateOptions) => async () => Sandbox.create(options);
  await using cold = await measure(times.cold, create({ image, rootfs: "block" }));
  await cold.stop();
  await using clone = await measure(times.template, create({ template: TEMPLATE }));
  await using _fork = await measure(times.fork, async () => {
    const [fork] = await clone.fork();
    if (fork instanceof Sandbox) return fork;
    throw fork ?? new Error("no clone");
  });
  await clone.stop();
  await using pool = await Sandbox.pool({ template: TEMPLATE, size: 1, maxMemoryMib: 512 });
  const end = performance.now() + POOL_MS;
  while (pool.ready === 0 && performance.now() < end) await new Promise((done) => setTimeout(done, 10));
  await using _taken = await measure(times.pool, () => pool.take(), true);
}

/** Measures the start of a sandbox and its first command. */
async function measure({ check, exec }: Times, start: () => Promise<Sandbox>, isReady = false): Promise<Sandbox> {
  const began = performance.now();
  const sandbox = await start();
  const started = performance.now() - began;
  const { stdout } = await sandbox.exec("echo ready");
  exec.add(performance.now() - began);
  if (stdout !== "ready\n") throw new Error(`the first command printed ${JSON.stringify(stdout)}`);
  const guest = new StateStore().guests().find(({ name }) => name === sandbox.name);
  check.add(isReady ? started : (guest?.timeline.check ?? Number.NaN));
  return sandbox;
}

/** Measures the proportional set size of QEMU for 1, 2 and 8 clones of the template. */
async function memoryOfClones(): Promise<string[][]> {
  const rows: string[][] = [];
  await using clones = new AsyncDisposableStack();
  let count = 0;
  for (const wanted of [1, 2, 8]) {
    for (; count < wanted; count++) clones.use(await Sandbox.create({ template: TEMPLATE }));
    const pids = await Promise.all(new StateStore().guests().map(({ control = "" }) => pidOf(control)));
    const sizes = pids.map((pid) =>
      Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]),
    );
    rows.push([`${wanted}`, (sizes.reduce((sum, kib) => sum + kib, 0) / sizes.length / 1024).toFixed(0)]);
  }
  return rows;
}

/** Returns the pid of the QEMU whose control socket this is, of this process's children. */
async function pidOf(control: string): Promise<number> {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").map(Number);
  const pid = children.find((each) => readFileSync(`/proc/${each}/cmdline`, "utf8").includes(control));
  if (pid === undefined) throw new Error(`${control}: no child has this control socket`);
  return pid;
}

await main();
