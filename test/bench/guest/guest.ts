import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { chooseAccelerator } from "../../../host/vm/accelerator.ts";
import { imagePaths } from "../../../host/vm/paths.ts";
import { GuestFirstCalls, type GuestVariant } from "./guest-first-calls.ts";

/** Milliseconds that a guest idles before the first call: hosts call immediately, templates and pools do not. */
const IDLE_MS = [0, 1000];

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    json: { type: "string" },
    image: { type: "string", multiple: true, default: [dirname(imagePaths.image)] },
    cpu: { type: "string", multiple: true },
  },
});

const variants = values.image.flatMap((image) =>
  (values.cpu ?? [undefined]).flatMap((cpu) =>
    IDLE_MS.map((idleMs): GuestVariant => ({ image: resolve(image), cpu, idleMs })),
  ),
);
const runs = variants.map((variant) => ({ variant, calls: new GuestFirstCalls(variant) }));
for (let round = 0; round < Number(values.rounds); round++) {
  for (const { calls } of runs) await calls.round();
}
const { kind } = await chooseAccelerator();
process.stdout.write(
  `${table()}Medians of ${values.rounds} fresh guests each, alternating; ${kind}, load ${loadavg()[0]?.toFixed(1)}.\n`,
);
for (const [index, { variant }] of runs.entries()) {
  const { image, cpu = "ours", idleMs } = variant;
  process.stdout.write(`${index + 1}: ${image}, -cpu ${cpu}, first call ${idleMs} ms after "listening"\n`);
}
if (values.json !== undefined) writeFileSync(resolve(values.json), `${JSON.stringify(medians(), undefined, 2)}\n`);

/** Formats a table of each variant's milliseconds, by the host's clock and of QEMU's CPU time. */
function table(): string {
  const heads = runs.flatMap((_, index) => [`${index + 1}: ms`, "CPU"]);
  const [first] = runs;
  const rows = [...(first?.calls.calls.keys() ?? [])].map((name) => {
    const samples = runs.map(({ calls }) => calls.calls.get(name));
    return [name, ...samples.flatMap((of) => [of?.wall, of?.cpu].map((each) => each?.median.toFixed(0) ?? ""))];
  });
  return textTable([["", ...heads], ...rows]);
}

function medians(): object {
  return runs.map(({ variant, calls: { calls } }) => ({
    ...variant,
    calls: Object.fromEntries(
      [...calls].map(([name, { wall, cpu }]) => [name, { ms: wall.median, qemu_cpu_ms: cpu.median }]),
    ),
  }));
}
