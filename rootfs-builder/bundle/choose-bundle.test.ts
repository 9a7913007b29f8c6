import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const BUNDLE = "ab".repeat(32);
const asModule = (body: string) => `(function(exports,require,module,__filename,__dirname){${body}})`;
/** Says that it listens, and then stays for a moment. */
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

/** Starts what the image starts; who ran it, its exit, and what the console says. */
function launch() {
  const env = { PATH: process.env["PATH"], GUESTD_STATE_DIR: join(work, "state") };
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [join(own, "launcher.cjs")], {
    env,
    encoding: "utf8",
  });
  const [name, sysNode, place] = stdout === "" ? [] : JSON.parse(stdout);
  return { name, sysNode, place, stderr, end: signal ?? status };
}
/** The same with limits of our own. */
function launchWith(limits: { goodLifeMs?: number; listenLimitMs?: number }) {
  const code = `
    const { bundleToRun } = require("./choose-bundle.cjs");
    const { load } = require("./launcher.cjs");
    bundleToRun(${JSON.stringify(join(work, "state/agent"))}, ${JSON.stringify(limits)}).run((place) => load(place, "agent"));`;
  const { stderr, status, signal } = spawnSync(process.execPath, ["-e", code], { cwd: own, encoding: "utf8" });
  return { stderr, end: signal ?? status };
}

test("without an upgrade the image's own runs", () => {
  expect(launch()).toMatchObject({ name: "", place: own, stderr: "", end: 0 });
  choose({});
  expect(launch()).toMatchObject({ name: "", place: own, stderr: "", end: 0 });
});

test("the chosen bundle runs with its own addon, and each start is counted until it has proved good", () => {
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

test("one that ends early three times in a row is left, in one line, for the image's own", () => {
  bundle("process.exit(7);");
  choose({ bundle: BUNDLE, starts: 0 });
  expect([launch(), launch(), launch()].map(({ end, stderr }) => [end, stderr])).toEqual(Array(3).fill([7, ""]));
  const reason = "3 starts in a row ended before it had listened for 10 s";
  expect(launch()).toMatchObject({
    place: own,
    stderr: `guestd: the agent's bundle abababababab is left: ${reason}; the image's own runs\n`,
  });
  expect(choice()).toEqual({ left: BUNDLE, reason });
  expect(launch()).toMatchObject({ place: own, stderr: "" });
});

test.each([
  ["is not there", () => rmSync(chosen, { recursive: true }), /: it can't be loaded: Error: ENOENT/],
  ["throws", () => bundle('throw new TypeError("a\\nb")'), /: it can't be loaded: TypeError: a;/],
])("one that %s is left at once", (_, prepare, line) => {
  prepare();
  choose({ bundle: BUNDLE, starts: 0 });
  const { end, stderr } = launch();
  expect(end).toBe(1);
  expect(stderr).toMatch(line);
  expect(stderr).toMatch(/^[^\n]+\n$/);
  expect(launch()).toMatchObject({ place: own, end: 0 });
});

test("one that hangs, even in a loop, is left and killed", () => {
  bundle("for (;;);");
  choose({ bundle: BUNDLE, starts: 0 });
  const { end, stderr } = launchWith({ listenLimitMs: 300 });
  expect([end, stderr]).toEqual([
    "SIGKILL",
    "guestd: the agent's bundle abababababab is left: it did not listen within 0.3 s; the image's own runs\n",
  ]);
  expect(launch()).toMatchObject({ place: own });
});

test("one that listened is not killed, and does not undo a choice that it was told of meanwhile", () => {
  const other = JSON.stringify({ bundle: "cd".repeat(32), starts: 0 });
  const path = JSON.stringify(join(work, "state/agent/choice.json"));
  bundle(`${listening(600)} require("node:fs").writeFileSync(${path}, ${JSON.stringify(other)});`);
  choose({ bundle: BUNDLE, starts: 0 });
  expect(launchWith({ listenLimitMs: 200, goodLifeMs: 100 })).toEqual({ stderr: "", end: 0 });
  expect(choice()).toEqual(JSON.parse(other));
});

test.each(["", "no json", "[]7", '{"bundle":"../../etc","starts":0}', `{"bundle":"${BUNDLE}"}`])(
  "a choice that can't be read, %j, is none",
  (text) => {
    choose(text);
    expect(launch()).toMatchObject({
      place: own,
      stderr: "guestd: choice.json can't be read: the image's own agent runs\n",
    });
  },
);

test("a count that can't be written keeps nothing from its start", () => {
  bundle(SAY);
  choose({ bundle: BUNDLE, starts: 0 });
  mkdirSync(join(work, "state/agent/choice.json.tmp"));
  expect(launch()).toMatchObject({
    place: chosen,
    stderr: expect.stringMatching(/choice\.json can't be written: EISDIR\n$/),
  });
});
