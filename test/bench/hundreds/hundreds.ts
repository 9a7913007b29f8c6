import { availableParallelism, loadavg, release, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { chooseAccelerator } from "../../../host/vm/accelerator.ts";
import { chooseVsock } from "../../../host/vm/vsock-device.ts";
import { reason } from "../../../lib/reason.ts";
import { clones } from "./clones.ts";
import { type Figure, HEAD, rowOf } from "./figure.ts";
import { idle } from "./idle.ts";
import { kills } from "./kills.ts";
import { manyGuests } from "./many-guests.ts";
import { OwnGuestctl } from "./own-guestctl.ts";

const HELP = `npm run bench:hundreds [-- [OPTION…] [PART…]]

Print what many guests take of this machine, beside aims: memory, clones, kills of the supervisor, and idle guests.
    --guests N   guests that are booted (10)
    --clones N   clones of a template, at most as many as fit (20)
    --kills N    SIGKILLs of the supervisor (10)
    --rounds N   times that a guest is saved and continues (5)
    PART         only these: guests, clones, kills, idle
`;

const PARTS: Readonly<Record<string, { readonly size: string; measure: Part }>> = {
  guests: { size: "guests", measure: manyGuests },
  clones: { size: "clones", measure: clones },
  kills: { size: "kills", measure: kills },
  idle: { size: "rounds", measure: idle },
};

/** Measures with guests of its own, as many or as often as `count` says. */
type Part = (guestctl: OwnGuestctl, count: number) => Promise<readonly Figure[]>;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      guests: { type: "string", default: "10" },
      clones: { type: "string", default: "20" },
      kills: { type: "string", default: "10" },
      rounds: { type: "string", default: "5" },
      help: { type: "boolean" },
    },
    allowPositionals: true,
  });
  if (values.help) return void process.stdout.write(HELP);
  const unknown = positionals.filter((name) => !Object.hasOwn(PARTS, name));
  if (unknown.length > 0) throw new Error(`no part ${unknown.join(", ")}; there are ${Object.keys(PARTS).join(", ")}`);
  const figures: Figure[] = [];
  for (const [name, { size, measure }] of Object.entries(PARTS)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const count = Number(values[size as keyof typeof values]);
    if (!Number.isInteger(count) || count < 1) throw new Error(`--${size} must be a number from 1 on`);
    const began = performance.now();
    using guestctl = new OwnGuestctl();
    figures.push(...(await measure(guestctl, count)));
    process.stderr.write(`${name}: ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
  }
  process.stdout.write(textTable([HEAD, ...figures.map(rowOf)]));
  const { kind } = await chooseAccelerator();
  const machine = `${availableParallelism()} CPUs, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}`;
  process.stdout.write(`${kind}, ${await chooseVsock()}, ${machine}, load ${loadavg()[0]?.toFixed(1)}.\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:hundreds: ${reason(error)}\n`);
  process.exitCode = 1;
}
