import { Sandbox } from "../../../host/sdk/index.ts";
import { qemuBelow } from "../../testing/qemu-below.ts";
import { memoryOf } from "../process-usage.ts";

/** Measures the proportional set size of QEMU for 1, 2 and 8 clones of a template. Returns rows of a table. */
export async function memoryOfClones(template: string): Promise<string[][]> {
  const rows: string[][] = [];
  await using clones = new AsyncDisposableStack();
  let count = 0;
  for (const wanted of [1, 2, 8]) {
    for (; count < wanted; count++) clones.use(await Sandbox.create({ template }));
    const sizes = qemuBelow(process.pid).map((pid) => memoryOf(pid).pssKib);
    rows.push([`${wanted}`, (sizes.reduce((sum, kib) => sum + kib, 0) / sizes.length / 1024).toFixed(0)]);
  }
  return rows;
}
