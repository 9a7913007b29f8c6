import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addUser, createDebianRoot, runInRoot, USER } from "../../test/nightly/testing/debian-root.ts";
import { DebianSession } from "../../test/nightly/testing/debian-session.ts";
import { PacedLines } from "./paced-lines.ts";
import { terminalSvg } from "./terminal-svg.ts";

/** Commands of the README's first picture, as an ordinary user types them in a new Debian 12 with npm, in a clone. */
const COMMANDS = ["npm run demo --yes", "./guestctl run build/demo/busybox.tar echo hello"];
/** Rows of the picture's terminal. */
const HEIGHT = 24;
/** Seconds after which a command is killed. */
const LIMIT = 1200;
/** Prints each line of a command's output after its time, and fails if the command does. */
const STAMPED = `set -o pipefail; { $1; } 2>&1 | while IFS= read -r line; do printf "%s %s\\n" "$EPOCHREALTIME" "$line"; done`;

const root = join(import.meta.dirname, "../..");
const directory = mkdtempSync("/var/tmp/guestd-recording-");
try {
  const system = join(directory, "root");
  mkdirSync(system);
  await createDebianRoot(system);
  await addUser(system);
  await runInRoot(system, "apt-get", "-q", "install", "--yes", "npm");
  const home = join(system, "home", USER);
  execFileSync("git", ["clone", "-q", "--depth=1", `file://${root}`, join(home, "guestd")]);
  execFileSync("chown", ["-R", "1000:1000", home]);
  const session = await DebianSession.open(system);
  const paced = new PacedLines();
  try {
    for (const command of COMMANDS) await record(session, command, paced);
  } finally {
    await session.close();
  }
  const title = "npm run demo installs what is missing, boots a guest and shows it; then guestctl runs a container";
  writeFileSync(join(root, "docs/pictures/first-mile.svg"), terminalSvg(paced.lines, title, { height: HEIGHT }));
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** Runs a command in the clone and adds its output to the lines. Throws if it fails. */
async function record(session: DebianSession, command: string, paced: PacedLines): Promise<void> {
  const begun = Date.now() / 1000;
  const { status, stdout } = await session.run(LIMIT, "bash", "-c", `cd guestd; ${STAMPED}`, "bash", command);
  process.stdout.write(stdout);
  if (status !== 0) throw new Error(`record the README's picture: ${command}: exit code ${status}`);
  paced.command(command, begun);
  for (const line of stdout.split("\n").slice(0, -1)) {
    const space = line.indexOf(" ");
    paced.output([line.slice(space + 1)], Number(line.slice(0, space)));
  }
}
