import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { chooseAccelerator } from "../../../host/vm/accelerator.ts";
import { reason } from "../../../lib/reason.ts";
import { cpioArchive } from "../../../rootfs-builder/initramfs/cpio.ts";
import { compileC } from "../../testing/compile-c.ts";
import { imageWith } from "../../vm/testing/image-with.ts";
import { bootBeside } from "./beside.ts";
import { type BootBenchOptions, bootOptions } from "./boot-options.ts";
import { BootRounds } from "./boot-rounds.ts";

/** Goal for the ratio of the first answer's time to that of the minimal guest's hello. */
const AIM = 1.35;

const directory = mkdtempSync(join(tmpdir(), "guestd-bench-boot-"));
try {
  const options = bootOptions(process.argv.slice(2));
  if (options.beside === undefined) await alone(options);
  else process.stdout.write(await bootBeside(options.beside, options.rounds, directory));
} catch (error) {
  process.stderr.write(`bench:boot: ${reason(error)}\n`);
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** Boots guestd's image beside minimal guests. */
async function alone(values: BootBenchOptions): Promise<void> {
  const type = values.type === "microvm" ? "microvm" : undefined;
  const launcher = join(directory, "launcher.cjs");
  writeFileSync(launcher, 'require("node:fs").writeSync(1, "hello\\n");setInterval(() => {}, 1 << 30);');
  const nodeImage = await imageWith([launcher], directory);
  const rounds = new BootRounds(helloInitramfs(directory), nodeImage, { type });
  for (let round = 0; round < values.rounds; round++) {
    await rounds.bootHello();
    await rounds.bootNode();
    await rounds.bootOurs();
  }
  await report(rounds, values.json);
}

/** Prints the table: medians in seconds, and the ratio to both times of the minimal guest. */
async function report({ hello, helloEnd, node, steps }: BootRounds, file: string | undefined): Promise<void> {
  const seconds = (ms: number) => (ms / 1000).toFixed(2);
  const rows: string[][] = [["since QEMU's start, s", "median", "max", "step"]];
  let before = 0;
  for (const [name, samples] of steps) {
    rows.push([name, seconds(samples.median), seconds(samples.max), `+${seconds(samples.median - before)}`]);
    before = samples.median;
  }
  const answer = steps.get("first answer")?.median ?? Number.NaN;
  const against = [hello, helloEnd].map((other) => answer / other.median);
  rows.push(["PID 1 that prints hello: its line", seconds(hello.median), seconds(hello.max), ""]);
  rows.push(["its QEMU exited", seconds(helloEnd.median), seconds(helloEnd.max), ""]);
  const ratios = against.map((ratio) => ratio.toFixed(2));
  rows.push(["same init and Node, printing hello", seconds(node.median), seconds(node.max), ""]);
  rows.push([`first answer / PID 1's line, its end (aim ≤ ${AIM})`, ratios.join(", "), "", ""]);
  rows.push(["Node's hello / PID 1's line", (node.median / hello.median).toFixed(2), "", ""]);
  const { kind } = await chooseAccelerator();
  process.stdout.write(textTable(rows));
  process.stdout.write(`Medians of ${hello.count}, alternating; ${kind}, load ${loadavg()[0]?.toFixed(1)}.\n`);
  if (file === undefined) return;
  const medians = Object.fromEntries([...steps].map(([name, samples]) => [name, samples.median]));
  const json = {
    ...medians,
    hello: hello.median,
    hello_end: helloEnd.median,
    node: node.median,
    ratio: against[0],
    ratio_end: against[1],
  };
  writeFileSync(resolve(file), `${JSON.stringify(json, undefined, 2)}\n`);
}

/** Builds an initramfs whose only file is a PID 1 that prints "hello" and powers off. Returns its path. */
function helloInitramfs(directory: string): string {
  const program = join(directory, "hello");
  compileC([join(import.meta.dirname, "hello.c")], program);
  const archive = cpioArchive([{ path: "init", type: "file", mode: 0o755, content: readFileSync(program) }]);
  const path = join(directory, "hello.cpio.gz");
  writeFileSync(path, gzipSync(archive));
  return path;
}
