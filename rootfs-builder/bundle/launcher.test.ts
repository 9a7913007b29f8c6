import { spawnSync } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const LAUNCHER = join(import.meta.dirname, "launcher.cjs");
const ADDON = join(import.meta.dirname, "../../build/native/sys.node");
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

  test("has V8 only interpret with the bundle's addon, and uses its code caches then", async () => {
    makeCaches();
    await copyFile(ADDON, join(directory, "sys.node"));
    const preload = join(directory, "preload.cjs");
    await writeFile(
      preload,
      `const { cachedDataVersionTag } = require("node:v8");
      const plain = cachedDataVersionTag();
      process.on("exit", () => console.log(cachedDataVersionTag() === plain));`,
    );
    expect(launch("--require", preload)).toMatchObject({
      stdout: "agent.cjs true 42 true object\nfalse\n",
      stderr: "",
    });
  });

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
