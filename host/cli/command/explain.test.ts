import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const guestctl = join(import.meta.dirname, "../launch.cjs");
const CONFIG = {
  ociVersion: "1.2.0",
  process: { args: ["sh", "-c", "echo up"], cwd: "/srv", user: { uid: 7, gid: 8 }, env: ["PATH=/bin"] },
  root: { path: "rootfs", readonly: true },
  linux: { namespaces: [{ type: "mount" }, { type: "pid" }], maskedPaths: ["/proc/kcore"] },
};

let directory: string;
let file: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "guestctl-explain-"));
  file = join(directory, "config.json");
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs the real command on a machine without a guest. */
function explain(config: object | string, ...args: string[]) {
  writeFileSync(file, typeof config === "string" ? config : JSON.stringify(config));
  const env = { PATH: process.env["PATH"], XDG_RUNTIME_DIR: directory };
  const line = [guestctl, "explain", "--spec", file, ...args];
  const { stdout, stderr, status } = spawnSync(process.execPath, line, { env, encoding: "utf8" });
  return { stdout, stderr, status };
}

test("explains a config.json call by call, with the field each call comes from, without a guest", () => {
  const { stdout, stderr, status } = explain(CONFIG);
  expect([stderr, status]).toEqual(["", 0]);
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
  expect(lines).toContainEqual([expect.stringMatching(/^chdir/), "/srv", "process.cwd"]);
  expect(lines.filter((line) => line.includes("/proc/kcore")).map((line) => line.at(-1))).toContain(
    "linux.maskedPaths",
  );
  expect(lines.at(-1)).toEqual(["execve", 'sh -c "echo up"', "process.args"]);
});

test("prints the same plan as a list with --json", () => {
  const { stdout, status } = explain(CONFIG, "--json");
  expect(status).toBe(0);
  expect(JSON.parse(stdout).at(-1)).toEqual({
    operation: "execve",
    object: 'sh -c "echo up"',
    reason: "process.args",
  });
});

test.each([
  [
    "a field that the protocol can't carry",
    { ...CONFIG, linux: { ...CONFIG.linux, intelRdt: {} } },
    /linux\.intelRdt /,
  ],
  ["a file that is not JSON", "{", /config\.json/],
])("reports %s in one line and exits with 1", (_, config, why) => {
  const { stdout, stderr, status } = explain(config);
  expect(stderr).toMatch(/^guestctl: [^\n]+\n$/);
  expect(stderr).toMatch(why);
  expect([stdout, status]).toEqual(["", 1]);
});

test("refuses a container together with a spec", () => {
  const { stderr, status } = explain(CONFIG, "web");
  expect(stderr).toBe("guestctl: explain: name either a container or a config.json with --spec\n");
  expect(status).toBe(1);
});
