import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { textTable } from "../../../host/cli/output/text-table.ts";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import { chooseAccelerator } from "../../../host/vm/accelerator.ts";
import { isRoot } from "../../../lib/is-root.ts";
import { packageRoot } from "../../../lib/package-root.ts";
import { startGuestctl } from "../../scenarios/guestctl-process.ts";
import type { Counts } from "../syscalls/count-calls.ts";
import { countsText } from "./call-summary.ts";
import { type Figures, HEADING, withFigures } from "./figures-page.ts";
import { filterSizes } from "./filter-sizes.ts";
import { countDuring, filterText, programsOf } from "./guest-programs.ts";
import { hostFacts } from "./host-facts.ts";
import { versions } from "./versions.ts";
import { guestctl, runWorkload } from "./workload.ts";

const PAGE = join(packageRoot(), "docs/security-figures.md");
const CONTAINER = "figures";
/** The container's first process: it reports that it runs, and ends when it is told to. */
const FIRST_PROCESS = "trap 'exit 0' TERM; echo up; while :; do sleep 1000 & wait $!; done";

/** Measures one guest, prints the figures as a table, and writes them into docs/security-figures.md. */
async function main(): Promise<void> {
  if (!isRoot()) throw new Error("needs root, to trace virtiofsd");
  mkdirSync(join(packageRoot(), "build"), { recursive: true });
  const directory = mkdtempSync(join(packageRoot(), "build/security-"));
  try {
    const figures = await measure(directory);
    process.stdout.write(`${figures.where}\n\n${textTable([HEADING, ...figures.rows])}`);
    writeFileSync(PAGE, withFigures(readFileSync(PAGE, "utf8"), figures));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(directory: string): Promise<Figures> {
  const environment = { ...process.env, XDG_RUNTIME_DIR: directory };
  const image = join(directory, "busybox.tar");
  await makeBusyboxImage(image);
  const options = ["--name", CONTAINER, "--vm-memory", "256m", "--rootfs", "share"];
  const guest = startGuestctl(["run", ...options, image, "sh", "-c", FIRST_PROCESS], { env: environment });
  try {
    await guest.prints("up\n");
    const inGuest = (script: string) => guestctl(environment, "exec", CONTAINER, "sh", "-c", script);
    const programs = programsOf(guest.child.pid ?? 0);
    const filters = programs.map(({ name, pid }) => [name, filterText(readFileSync(`/proc/${pid}/status`, "utf8"))]);
    const container = filterText(await inGuest("cat /proc/self/status"));
    const facts = await hostFacts(inGuest);
    let commands: Counts = new Map();
    const counts = await countDuring(programs, directory, async () => {
      commands = await runWorkload(environment, CONTAINER, image, directory);
    });
    const all = new Map([...counts, ["guestctl's commands, from their start", commands]]);
    const sums = [...all].map(([name, its]) => {
      const sum = [...its.values()].reduce((total, calls) => total + calls, 0);
      return ["calls to the host", name, `${its.size} different, ${sum} in all`];
    });
    const rows = [
      ...sums,
      ...filters.map((row) => ["host's filters", ...row]),
      ["guest's filters", "a container's process", container],
      ...filterSizes(),
      ...facts,
      ...(await versions(await inGuest("cat /proc/version"))),
    ];
    const accelerator = (await chooseAccelerator()).kind.toUpperCase();
    const day = new Date().toISOString().slice(0, 10);
    const where = `Measured on ${day} by \`npm run bench:security\`: ${accelerator}, Linux ${release()}, user ${process.getuid?.()}.`;
    return { where, rows, calls: new Map([...all].map(([name, its]) => [name, countsText(its)])) };
  } finally {
    guest.child.kill("SIGTERM");
    await guest.ended;
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:security: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
