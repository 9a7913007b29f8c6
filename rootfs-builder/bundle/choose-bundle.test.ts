import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const BUNDLE = "ab".repeat(32);
const asModule = (body: string) => `(function(exports,require,module,__filename,__dirname){${body}})`;
/** Reports that it listens, and then keeps running for a moment. */
const listening = (ms: number) =>
  `require("node:diagnostics_channel").channel("guestd:listening").publish({}); setTimeout(() => {}, ${ms});`;
const SAY = `process.stdout.write(JSON.stringify([process.env.GUESTD_BUNDLE, process.env.GUESTD_SYS_NODE, __dirname]));`;

let work = "";
let chosen = "";
let own = "";
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "guestd-choose-"));
  [own, chosen] = [join(work, "own"), join(work, "state/agent", BUNDLE)];
  for (const directory of [own, chosen]) mkdirSync(directory, { recursive: true });
  for (const name of ["launcher.cjs", "choose-bundle.cjs"]) {
    copyFileSync(join(import.meta.dirname, name), join(own, name));
  }
  writeFileSync(join(own, "agent.cjs"), asModule(SAY));
});
afterEach(() => rmSync(work, { recursive: true }));

const choice = () => JSON.parse(readFileSync(join(work, "state/agent/choice.json"), "utf8"));
const choose = (value: unknown) => {
  writeFileSync(join(work, "state/agent/choice.json"), typeof value === "string" ? value : JSON.stringify(value));
};
const bundle = (body: string) => writeFileSync(join(chosen, "agent.cjs"), asModule(body));

/** Runs the image's launcher; returns the bundle that ran, its exit status, and the console output. */
function launch() {
  const env = { PATH: process.env["PATH"], GUESTD_STATE_DIR: join(work, "state") };
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [join(own, "launcher.cjs")], {
    env,
    encoding: "utf8",
  });
  const [name, sysNode, place] = stdout === "" ? [] : JSON.parse(stdout);
  return { name, sysNode, place, stderr, end: signal ?? status };
}
/** Runs the launcher with other limits. */
function launchWith(limits: { goodLifeMs?: number; listenLimitMs?: number }) {
  const code = `
    const { bundleToRun } = require("./choose-bundle.cjs");
    const { load } = require("./launcher.cjs");
    bundleToRun(${JSON.stringify(join(work, "state/agent"))}, ${JSON.stringify(limits)}).run((place) => load(place, "agent"));`;
  const { stderr, status, signal } = spawnSync(process.execPath, ["-e", code], { cwd: own, encoding: "utf8" });
  return { stderr, end: signal ?? status };
}

test("runs the image's own bundle without an upgrade", () => {
  expect(launch()).toMatchObject({ name: "", place: own, stderr: "", end: 0 });
  choose({});
  expect(launch()).toMatchObject({ name: "", place: own, stderr: "", end: 0 });
});

test("runs the chosen bundle with its own addon, and counts each start until it has proved good", () => {
  bundle(SAY);
  choose({ bundle: BUNDLE, starts: 0 });
  const ran = { name: BUNDLE, place: chosen, sysNode: join(chosen, "sys.node"), stderr: "", end: 0 };
  expect(launch()).toEqual(ran);
  expect(launch()).toEqual(ran);
  expect(choice()).toEqual({ bundle: BUNDLE, starts: 2 });
  bundle(listening(300));
  expect(launchWith({ goodLifeMs: 50 })).toEqual({ stderr: "", end: 0 });
  expect(choice()).toEqual({ bundle: BUNDLE, starts: 0 });
});

test("falls back to the image's own, in one line, after three early ends in a row", () => {
  bundle("process.exit(7);");
  choose({ bundle: BUNDLE, starts: 0 });
  expect([launch(), launch(), launch()].map(({ end, stderr }) => [end, stderr])).toEqual(Array(3).fill([7, ""]));
  const reason = "3 starts in a row ended before it had listened for 10 s";
  expect(launch()).toMatchObject({
    place: own,
    stderr: `guestd: the agent's bundle abababababab is abandoned: ${reason}; the image's own runs\n`,
  });
  expect(choice()).toEqual({ left: BUNDLE, reason });
  expect(launch()).toMatchObject({ place: own, stderr: "" });
});

test.each([
  ["is not there", () => rmSync(chosen, { recursive: true }), /: can't load it: Error: ENOENT/],
  ["throws", () => bundle('throw new TypeError("a\\nb")'), /: can't load it: TypeError: a;/],
])("falls back at once from a bundle that %s", (_, prepare, line) => {
  prepare();
  choose({ bundle: BUNDLE, starts: 0 });
  const { end, stderr } = launch();
  expect(end).toBe(1);
  expect(stderr).toMatch(line);
  expect(stderr).toMatch(/^[^\n]+\n$/);
  expect(launch()).toMatchObject({ place: own, end: 0 });
});

test("falls back from a bundle that hangs, even in a loop, and kills it", () => {
  bundle("for (;;);");
  choose({ bundle: BUNDLE, starts: 0 });
  const { end, stderr } = launchWith({ listenLimitMs: 300 });
  expect([end, stderr]).toEqual([
    "SIGKILL",
    "guestd: the agent's bundle abababababab is abandoned: it did not listen within 0.3 s; the image's own runs\n",
  ]);
  expect(launch()).toMatchObject({ place: own });
});

test("keeps a bundle that listened running, and does not revert a choice made meanwhile", () => {
  const other = JSON.stringify({ bundle: "cd".repeat(32), starts: 0 });
  const path = JSON.stringify(join(work, "state/agent/choice.json"));
  bundle(`${listening(600)} require("node:fs").writeFileSync(${path}, ${JSON.stringify(other)});`);
  choose({ bundle: BUNDLE, starts: 0 });
  expect(launchWith({ listenLimitMs: 200, goodLifeMs: 100 })).toEqual({ stderr: "", end: 0 });
  expect(choice()).toEqual(JSON.parse(other));
});

test.each(["", "no json", "[]7", '{"bundle":"../../etc","starts":0}', `{"bundle":"${BUNDLE}"}`])(
  "ignores a choice that can't be read: %j",
  (text) => {
    choose(text);
    expect(launch()).toMatchObject({
      place: own,
      stderr: "guestd: can't read choice.json: the image's own agent runs\n",
    });
  },
);

test("starts the bundle even if the count can't be written", () => {
  bundle(SAY);
  choose({ bundle: BUNDLE, starts: 0 });
  mkdirSync(join(work, "state/agent/choice.json.tmp"));
  expect(launch()).toMatchObject({
    place: chosen,
    stderr: expect.stringMatching(/^guestd: can't write \S+choice\.json: EISDIR\n$/),
  });
});
