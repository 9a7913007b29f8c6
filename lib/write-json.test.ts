import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

test("a file that can't be written whole is named in the error, and nothing of it is left", () => {
  const directory = mkdtempSync(join(tmpdir(), "write-json-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "record.json");
  const module = join(import.meta.dirname, "write-json.ts");
  const script = `import { writeJson } from ${JSON.stringify(module)};
    try { writeJson(${JSON.stringify(path)}, { a: "b" }); } catch (error) { console.log(error.message); }`;
  // As on a full disk, the file is created and the write fails.
  const limited = 'ulimit -f 0; exec "$0" --input-type=module -e "$1" | cat';
  const printed = execFileSync("sh", ["-c", limited, process.execPath, script], { encoding: "utf8" });
  expect(printed).toBe(`write ${path}: EFBIG; check the space and the permissions of its folder\n`);
  expect(readdirSync(directory)).toEqual([]);
});
