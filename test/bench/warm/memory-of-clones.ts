import { readFileSync } from "node:fs";
import { Sandbox } from "../../../host/sdk/index.ts";
import { StateStore } from "../../../host/state/state-store.ts";

/** Measures the proportional set size of QEMU for 1, 2 and 8 clones of a template. Returns rows of a table. */
export async function memoryOfClones(template: string): Promise<string[][]> {
  const rows: string[][] = [];
  await using clones = new AsyncDisposableStack();
  let count = 0;
  for (const wanted of [1, 2, 8]) {
    for (; count < wanted; count++) clones.use(await Sandbox.create({ template }));
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
