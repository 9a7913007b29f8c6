import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../image/testing/tree.ts";
import { run } from "./run.ts";

const shell = (script: string) => run("sh", ["-c", script]);

test("reports a program's last line without terminal control sequences", async () => {
  const failing = shell("printf 'first\\nno \\033[31mgood\\r' >&2; exit 3");
  await expect(failing).rejects.toThrow(/ended with 3: no \?\[31mgood$/);
});

test("names the package of a program that PATH lacks, or has in a folder that this user may not use", async () => {
  using folder = temporaryDirectory();
  writeFileSync(join(folder.path, "mkfs.closed"), "", { mode: 0o600 });
  const options = { env: { PATH: folder.path } };
  for (const program of ["mkfs.none", "mkfs.closed"]) {
    const message = `${program} is not installed: run apt-get install ${program}`;
    await expect(run(program, [], options)).rejects.toThrow(message);
  }
  await expect(run(join(folder.path, "mkfs.closed"), [], options)).rejects.toThrow(
    /mkfs\.closed: can't start: .*EACCES/,
  );
});
