import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type HookState, runHooks } from "./run-hooks.ts";

const directory = mkdtempSync(join(tmpdir(), "hooks-"));
const out = join(directory, "out");
afterAll(() => rmSync(directory, { recursive: true }));

const state: HookState = { ociVersion: "1.0.2", id: "c", status: "creating", pid: 7, bundle: directory };
const hook = (script: string, more: object = {}) => ({ path: "/bin/sh", args: ["sh", "-c", script], ...more });
const run = (...prestart: readonly object[]) => runHooks({ hooks: { prestart } }, "prestart", state);

test("gives hooks the state on stdin and their own environment, one after the other", async () => {
  const env = ["A=b=c", "EMPTY="];
  await run(hook(`cat >${out}; echo "$A,$EMPTY,$HOME" >>${out}`, { env }), hook(`echo second >>${out}`));
  const [json = "", ...rest] = readFileSync(out, "utf8").replace("}b", "}\nb").split("\n");
  expect(JSON.parse(json)).toEqual(state);
  expect(rest).toEqual(["b=c,,", "second", ""]);
});

test.each([
  ["fails", hook("echo why >&2; echo more >&2; exit 3"), "it ended with 3: why; more"],
  ["is killed", hook("kill -9 $$"), "it ended with SIGKILL"],
  ["takes too long", hook("exec sleep 1000", { timeout: 0.1 }), "it ended with SIGKILL"],
  ["doesn't exist", { path: "/nonexistent/hook" }, "spawn /nonexistent/hook ENOENT"],
])("says in one line which hook %s, and runs no more", async (_, failing, why) => {
  const running = run(failing, hook(`echo third >>${out}`));
  await expect(running).rejects.toThrow(new RegExp(`^container c: prestart hook ${failing.path}: ${why}$`));
  expect(readFileSync(out, "utf8")).not.toContain("third");
});

test("a spec without hooks has none", async () => {
  for (const spec of [null, {}, { hooks: null }, { hooks: { prestart: "x" } }]) await runHooks(spec, "prestart", state);
  await runHooks({ hooks: { poststop: [hook("exit 1")] } }, "prestart", state);
});
