import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { PacedLines } from "./paced-lines.ts";
import { terminalSvg } from "./terminal-svg.ts";

/** Commands of the README's picture, run as they are shown. */
const COMMANDS = [
  "guestctl run -d --name web busybox.tar sleep 1000",
  "guestctl exec web uname -sr",
  "{ sleep 8; guestctl agent kill | cut -d, -f1 >&2; sleep 7; echo; } |\n  guestctl exec -i web sh -c 'until read -t 3 _; do echo $((n += 1)), process $$; done'",
  "guestctl explain web | head -5",
  "guestctl ps",
  "guestctl stop web",
];

const root = join(import.meta.dirname, "../..");
const directory = mkdtempSync(join(tmpdir(), "guestd-recording-"));
try {
  symlinkSync(join(root, "host/cli/guestctl.sh"), join(directory, "guestctl"));
  await makeBusyboxImage(join(directory, "busybox.tar"));
  const paced = new PacedLines();
  for (const command of COMMANDS) await record(command, paced);
  const { lines } = paced;
  const killed = lines.findIndex(({ text }) => text.endsWith(" was killed"));
  if (!lines.slice(killed + 1).some(({ text }) => /^\d+, process \d+$/.test(text))) {
    throw new Error("record the README's picture: the command printed nothing after the agent's death");
  }
  const title = "guestctl runs a container, kills the agent below a running command, and explains the container";
  writeFileSync(join(root, "docs/pictures/guestctl.svg"), terminalSvg(lines, title));
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** Runs a command line and adds its output to the lines, each at its time. Throws if the command fails. */
async function record(command: string, lines: PacedLines): Promise<void> {
  lines.command(command, performance.now() / 1000);
  const env = {
    ...process.env,
    PATH: `${directory}:${process.env["PATH"]}`,
    XDG_RUNTIME_DIR: directory,
    NO_COLOR: "1",
  };
  const child = spawn("/bin/sh", ["-c", `{ ${command}; } 2>&1`], {
    cwd: directory,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  let rest = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    const texts = (rest + chunk).split("\n");
    rest = texts.pop() ?? "";
    lines.output(texts, performance.now() / 1000);
    process.stdout.write(chunk);
  }
  const code = await ended;
  if (code !== 0) throw new Error(`record the README's picture: ${command}: exit code ${code}`);
}
