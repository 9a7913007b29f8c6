import { spawnSync } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const LAUNCHER = join(import.meta.dirname, "launcher.cjs");
const asModule = (body: string) => `(function(exports,require,module,__filename,__dirname){${body}})`;
const AGENT = asModule(`
"use strict";
const { basename } = require("node:path");
const first = require("./grpc.cjs");
console.log(basename(__filename), __dirname === process.env.EXPECTED, first.answer, first === require("./grpc.cjs"), typeof module.exports);
`);

describe("the launcher", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-launcher-"));
    await copyFile(LAUNCHER, join(directory, "launcher.cjs"));
    await writeFile(join(directory, "agent.cjs"), AGENT);
    await writeFile(join(directory, "grpc.cjs"), asModule("exports.answer = 42;"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  function launch(...flags: string[]): { stdout: string; stderr: string } {
    const env = { ...process.env, EXPECTED: directory };
    return spawnSync(process.execPath, [...flags, join(directory, "launcher.cjs")], { env, encoding: "utf8" });
  }

  /** Creates caches of both files with a Node that has these flags. */
  function makeCaches(...flags: string[]): void {
    const code = `
      const { load } = require("./launcher.cjs");
      load(process.cwd(), "agent", (name, script) => fs.writeFileSync(name + ".cache", script.createCachedData()));`;
    spawnSync(process.execPath, [...flags, "-e", code], { cwd: directory });
  }

  test("runs the bundle as CommonJS, and loads each chunk once", () => {
    expect(launch()).toMatchObject({ stdout: "agent.cjs true 42 true object\n", stderr: "" });
  });

  test("loads an expensive part of Node when something of it is used", async () => {
    const text = asModule(`
      const crypto = require("node:crypto");
      const loaded = () => process.moduleLoadList.includes("NativeModule crypto");
      console.log(loaded(), crypto.createHash("sha256").digest().length, loaded(), require("node:crypto") === require("node:crypto"));
      console.log(typeof { ...require("node:vm") }.Script, "Script" in require("node:vm"));`);
    await writeFile(join(directory, "agent.cjs"), text);
    expect(launch()).toMatchObject({ stdout: "false 32 true true\nfunction true\n", stderr: "" });
  });

  test("uses a matching code cache silently, also with the guest's heap limits", () => {
    makeCaches();
    const flags = ["--max-semi-space-size=1", "--max-old-space-size=64", "--v8-pool-size=0"];
    expect(launch(...flags)).toMatchObject({ stdout: "agent.cjs true 42 true object\n", stderr: "" });
  });

  test.each([0, 1])(
    "runs interpreted code only if the processor is emulated (%i), and uses its code caches",
    async (emulated) => {
      makeCaches();
      // Stands in for the addon, which says by which flags V8 runs.
      const preload = join(directory, "preload.cjs");
      await writeFile(
        preload,
        `const v8 = require("node:v8");
      const set = (on) => v8.setFlagsFromString(on ? "--no-sparkplug --no-maglev --no-opt" : "--sparkplug --maglev --opt");
      const addon = { isEmulated: () => ${emulated}, interpretOnly: set };
      require.cache[${JSON.stringify(join(directory, "sys.node"))}] = { exports: addon, loaded: true };
      const plain = v8.cachedDataVersionTag();
      process.on("exit", () => console.log(v8.cachedDataVersionTag() === plain));`,
      );
      await writeFile(join(directory, "sys.node"), "");
      const stdout = `agent.cjs true 42 true object\n${emulated === 0}\n`;
      expect(launch("--require", preload)).toMatchObject({ stdout, stderr: "" });
    },
  );

  test("reports a code cache that doesn't match in one line, and continues without it", () => {
    makeCaches("--no-opt");
    const { stdout, stderr } = launch();
    expect(stdout).toBe("agent.cjs true 42 true object\n");
    expect(stderr).toBe(
      ["agent", "grpc"]
        .map((name) => `launcher: ${name}.cache is not of this Node (${process.version}) and bundle: not used\n`)
        .join(""),
    );
  });
});
