import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const STEADY = 'test("steady", () => {})';
const FAILING = 'test("failing", () => { throw new Error("always") })';
const UNSTEADY = `import { existsSync, writeFileSync } from "node:fs";
  test("unsteady", () => { if (!existsSync("seen")) { writeFileSync("seen", ""); throw new Error("once") } })`;

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "suite-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Runs the suite in a folder with these files. `end` is what its global teardown does. */
function run(files: Readonly<Record<string, string>>, end = ""): { status: number | null; output: string } {
  const config = 'export default { test: { globals: true, globalSetup: "./setup.mjs" } }';
  writeFileSync(join(directory, "vitest.config.mjs"), config);
  writeFileSync(
    join(directory, "setup.mjs"),
    `import { existsSync, writeFileSync } from "node:fs"; export function teardown() { ${end} }`,
  );
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, `${name}.test.mjs`), text);
  const environment = Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST"));
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "suite.ts")], {
    cwd: directory,
    env: Object.fromEntries(environment),
    encoding: "utf8",
  });
  return { status, output: stdout + stderr };
}

test("passes if all files pass", () => {
  const { status, output } = run({ one: STEADY, two: STEADY });
  expect(output).not.toContain("npm test:");
  expect(status, output).toBe(0);
});

test("names a file that passes only alone", () => {
  const { status, output } = run({ one: STEADY, two: UNSTEADY });
  expect(output).toMatch(/^npm test: passed only alone, to be mended: two\.test\.mjs$/m);
  expect(status, output).toBe(0);
});

test("fails if a file fails again, alone", () => {
  const { status, output } = run({ one: STEADY, two: FAILING });
  expect(output).toMatch(/^npm test: runs what failed again, alone: two\.test\.mjs$/m);
  expect(status, output).toBe(1);
});

test("fails if its end fails, although each file passes alone", () => {
  const end = 'if (existsSync("ended")) return; writeFileSync("ended", ""); throw new Error("at the end");';
  const { status, output } = run({ one: STEADY, two: UNSTEADY }, end);
  expect(output).toContain("at the end");
  expect(status, output).toBe(1);
});

test("fails at once if many files fail, or something outside of them", () => {
  const many = run({ one: UNSTEADY, two: FAILING, three: FAILING, four: FAILING });
  expect(many.output).not.toContain("npm test:");
  expect(many.status, many.output).toBe(1);
  const stray = 'test("stray", () => { Promise.reject(new Error("stray")) })';
  const outside = run({ one: stray, two: STEADY, three: STEADY, four: STEADY });
  expect(outside.output).not.toContain("npm test:");
  expect(outside.status, outside.output).toBe(1);
});
