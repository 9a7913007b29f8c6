import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type AuditEntry, audit } from "./audit.ts";
import { appendLine, auditFiles, auditFolder, MAX_FILES } from "./audit-files.ts";
import { readAudit } from "./read-audit.ts";

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "guestd-audit-"));
  vi.stubEnv("XDG_STATE_HOME", state);
  vi.stubEnv("GUESTD_AUDIT", "on");
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(state, { recursive: true, force: true });
});

async function entries(): Promise<readonly AuditEntry[]> {
  return Array.fromAsync(readAudit());
}

const lines = () =>
  auditFiles()
    .map((file) => readFileSync(file, "utf8"))
    .join("");

test("an operation is one line with its time, user, program and target, in a file of this user alone", async () => {
  audit("exec", { address: "unix:///run/agent.sock", guest: undefined, container: "web", exec: "x1" });
  expect(await entries()).toEqual([
    {
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      uid: process.getuid?.(),
      ...(/"login"/.test(lines()) && { login: expect.any(Number) }),
      user: expect.any(String),
      program: expect.any(String),
      pid: process.pid,
      operation: "exec",
      container: "web",
      exec: "x1",
      address: "unix:///run/agent.sock",
    },
  ]);
  const [file = ""] = auditFiles();
  expect([statSync(file).mode & 0o777, statSync(auditFolder()).mode & 0o777]).toEqual([0o600, 0o700]);
});

test("a line stays one line below 4 KiB, whatever the names contain", async () => {
  const names = ["\n{}\n", "\u001b[2J", "\ud800".repeat(9000), '"'.repeat(9000), "字".repeat(9000), "\\".repeat(9000)];
  for (const name of names) audit(name, { address: name, guest: name, container: name, exec: name, template: name });
  const text = lines();
  expect(text.split("\n")).toHaveLength(names.length + 1);
  for (const line of text.split("\n")) expect(Buffer.byteLength(line)).toBeLessThan(4096);
  expect((await entries()).map(({ container }) => container?.slice(0, 3))).toEqual([
    "{}",
    "[2J",
    "\ufffd".repeat(3),
    '"""',
    "字字字",
    "\\\\\\",
  ]);
});

test("lines of several processes don't mix, and none is lost", async () => {
  const script = `import { audit } from ${JSON.stringify(join(import.meta.dirname, "audit.ts"))};
    for (let i = 0; i < 200; i++) audit("exec", { container: process.argv[2] + "-" + i });`;
  const program = join(state, "writer.mjs");
  writeFileSync(program, script);
  const run = ["a", "b", "c"].map((name) => `"${process.execPath}" "${program}" ${name} &`).join(" ");
  execFileSync("/bin/sh", ["-c", `${run} wait`]);
  const names = (await entries()).map(({ container = "" }) => container);
  for (const name of ["a", "b", "c"]) {
    expect(names.filter((each) => each.startsWith(name))).toEqual(
      Array.from({ length: 200 }, (_, i) => `${name}-${i}`),
    );
  }
});

test("a full file is followed by the next, and the oldest is removed", () => {
  const folder = join(state, "small");
  for (let line = 1; line <= 2 * MAX_FILES + 2; line++) appendLine(`${line}\n`, folder, 4);
  expect(readdirSync(folder).sort()).toEqual([
    "audit-000002.jsonl",
    "audit-000003.jsonl",
    "audit-000004.jsonl",
    "audit-000005.jsonl",
  ]);
  expect(auditFiles(folder).map((file) => readFileSync(file, "utf8"))).toEqual([
    "3\n4\n",
    "5\n6\n",
    "7\n8\n",
    "9\n10\n",
  ]);
});

test("lines that are no entries are skipped", async () => {
  audit("first", {});
  const [file = ""] = auditFiles();
  writeFileSync(file, `{"time":"2026\n[]\n{"time":1}\n${"x".repeat(9000)}\n`, { flag: "a" });
  audit("second", {});
  expect((await entries()).map(({ operation }) => operation)).toEqual(["first", "second"]);
});

test("a line after one that a full disk has cut is not lost", async () => {
  audit("first", {});
  const [file = ""] = auditFiles();
  writeFileSync(file, '{"time":"20', { flag: "a" });
  audit("second", {});
  audit("third", {});
  expect((await entries()).map(({ operation }) => operation)).toEqual(["first", "second", "third"]);
});

test("GUESTD_AUDIT=off records nothing", () => {
  vi.stubEnv("GUESTD_AUDIT", "off");
  audit("exec", {});
  expect(auditFiles()).toEqual([]);
});

test("a failure is reported once, in one line, and nothing is thrown", () => {
  const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  writeFileSync(join(state, "guestd"), "");
  audit("exec", {});
  audit("exec", {});
  const line = /^guestd: audit exec: .*guestd.*; GUESTD_AUDIT=off turns the audit off\n$/;
  expect(said.mock.calls).toEqual([[expect.stringMatching(line)]]);
});
