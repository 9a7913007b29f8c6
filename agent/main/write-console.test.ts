import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";

const FILE = join(import.meta.dirname, "write-console.ts");

/** Runs a module with standard output that is a terminal, or not; gives what was written and how long it ran. */
async function run(shell: string, script: string): Promise<string> {
  const program = `import { writeConsole } from ${JSON.stringify(FILE)}; ${script}`;
  const child = spawn("sh", ["-c", shell, "sh", process.execPath, "--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (data: Buffer) => (text += data.toString("latin1")));
  await once(child, "close");
  return text;
}

const LINES = "for (let line = 0; line < 20000; line++) writeConsole('a line of the log\\n');";

/** A pty whose other side reads once the program has ended. */
const STOPPED = `exec python3 -c '
import os, pty, subprocess, sys, termios
master, slave = pty.openpty()
if sys.argv[1] == "stopped": termios.tcflow(slave, termios.TCOOFF)
child = subprocess.Popen(sys.argv[2:], stdout=slave)
print(child.wait())
' "$STATE" "$@"`;

test("any amount of text is written to a pipe completely", async () => {
  const text = await run('exec "$@"', LINES);
  expect(text.split("\n")).toHaveLength(20_001);
});

test.each(["stopped", "full"])("a terminal that is %s does not block the agent", async (state) => {
  expect(await run(`STATE=${state}; ${STOPPED}`, LINES)).toBe("0\n");
});
