import { execFileSync } from "node:child_process";
import { closeSync, globSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { isRoot } from "../../lib/is-root.ts";
import type { GuestctlProcess } from "../scenarios/guestctl-process.ts";
import { TemplateCommands } from "./testing/template-commands.ts";

const MIB = 1 << 20;
/** Size of the disk: two templates fit. */
const DISK_MIB = 600;
const MEMORY = ["--vm-memory", "256m"];
/** Exit code of a command that ^C ended, which prints no error. */
const INTERRUPTED = 130;
const FAILURE = /guestctl:|Error|\n {4}at /;

/** All commands use a small disk, which a file fills as far as a test wants. */
describe.skipIf(!isRoot())(`templates that can't be made${isRoot() ? "" : " (skipped: needs root)"}`, () => {
  let commands: TemplateCommands;
  let image = "";
  const templates = () => join(commands.cache, "guestd/templates");
  const filler = () => join(commands.cache, "filler");

  beforeAll(async () => {
    commands = new TemplateCommands();
    image = join(commands.directory, "busybox.tar");
    await makeBusyboxImage(image);
    const options = `size=${DISK_MIB}m,mode=0700`;
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", commands.cache]);
  });
  afterEach(() => rmSync(filler(), { force: true }));
  afterAll(async () => {
    await commands.run(["stop", "dev"]); // of a test that failed
    execFileSync("umount", [commands.cache]);
    commands[Symbol.dispose]();
  });

  /** Fills the disk but for so many bytes. */
  function fill(free: number): void {
    const { bavail, bsize } = statfsSync(commands.cache);
    const file = openSync(filler(), "w");
    const zeros = Buffer.alloc(MIB);
    for (let left = bavail * bsize - free; left > 0; ) left -= writeSync(file, zeros, 0, Math.min(left, MIB));
    closeSync(file);
  }

  const create = (name: string, ...options: string[]) => ["template", "create", name, ...MEMORY, ...options];

  describe("on a full disk", () => {
    test.each([
      ["the disk of its image", 100_000],
      ["its memory", 30 * MIB],
    ])("without room for %s are refused in one line, and leave nothing", async (_, free) => {
      fill(free);
      const { stdout, stderr, code } = await commands.run(create("full", "--image", image));
      expect(stderr).toMatch(/^guestctl: [^\n]*(disk is full|no space left|ENOSPC)[^\n]*\n$/i);
      expect([stdout, code === 0]).toEqual(["", false]);
      await expect.poll(() => commands.remains()).toEqual([]);
      expect(await commands.listed()).toEqual({ templates: [], guests: [] });
    });

    test("snapshots and forks are refused in one line, and the guest continues", async () => {
      expect(await commands.run(create("box", "--image", image))).toMatchObject({ code: 0 });
      expect(await commands.run(["boot", "-d", "--template", "box", "--name", "dev"])).toMatchObject({ code: 0 });
      fill(30 * MIB);
      for (const args of [
        ["snapshot", "dev", "full"],
        ["fork", "dev", "--count", "2"],
      ]) {
        const { stdout, stderr, code } = await commands.run(args);
        expect(stderr).toMatch(/^guestctl: [^\n]*disk is full[^\n]*\n$/);
        expect([stdout, code === 0]).toEqual(["", false]);
        expect(commands.incomplete()).toEqual([]);
        expect(await commands.run(["exec", "dev", "echo", "continues"])).toMatchObject({ stdout: "continues\n" });
      }
      expect(await commands.listed()).toEqual({ templates: ["box"], guests: ["dev"] });
      rmSync(filler());
      expect(await commands.run(["snapshot", "dev", "fits"])).toMatchObject({ code: 0 });
      expect(await commands.run(["stop", "dev"])).toMatchObject({ code: 0 });
      for (const name of ["box", "fits"])
        expect(await commands.run(["template", "rm", name])).toMatchObject({ code: 0 });
      await expect.poll(() => commands.remains()).toEqual([]);
    });
  });

  describe("after ^C", () => {
    /** Resolves once a template's memory is being written. Throws if the command ends first. */
    async function memoryIsWritten(running: GuestctlProcess): Promise<void> {
      let hasEnded = false;
      void running.ended.then(() => (hasEnded = true));
      while (globSync("**/saving-*/memory", { cwd: templates() }).length === 0) {
        if (hasEnded) throw new Error(`the command ended first: ${running.output.stdout}`);
        await setTimeout(1);
      }
    }

    test.each<[string, string[], (running: GuestctlProcess) => Promise<unknown>]>([
      [
        "while the guest boots",
        [],
        () =>
          expect.poll(() => commands.remains(), { interval: 5 }).toContainEqual(expect.stringMatching(/qemu-system/)),
      ],
      [
        "while its container is prepared",
        ["--run", "echo preparing; sleep 1000"],
        ({ output }) => expect.poll(() => `${output.stdout}`, { interval: 5 }).toMatch(/preparing\r\n/),
      ],
      ["while its memory is written", [], memoryIsWritten],
    ])("%s, nothing stays, and no error is printed", async (_, options, moment) => {
      const running = commands.startInTerminal(...create("half", "--image", image, ...options));
      await moment(running);
      running.type("\x03");
      expect(await running.ended).toBe(INTERRUPTED);
      expect(running.output.stdout.toString()).not.toMatch(FAILURE);
      await expect.poll(() => commands.remains()).toEqual([]);
      expect(await commands.listed()).toEqual({ templates: [], guests: [] });
    });

    test("of a snapshot or a fork, nothing stays, and the guest continues", async () => {
      expect(await commands.run(create("box", "--image", image))).toMatchObject({ code: 0 });
      expect(await commands.run(["boot", "-d", "--template", "box", "--name", "dev"])).toMatchObject({ code: 0 });
      for (const args of [
        ["snapshot", "dev", "half"],
        ["fork", "dev"],
      ]) {
        const running = commands.startInTerminal(...args);
        await memoryIsWritten(running);
        running.type("\x03");
        expect(await running.ended).toBe(INTERRUPTED);
        expect(running.output.stdout.toString()).not.toMatch(FAILURE);
        await expect.poll(() => commands.incomplete()).toEqual([]);
        expect(await commands.run(["exec", "dev", "echo", "continues"])).toMatchObject({ stdout: "continues\n" });
        expect(await commands.listed()).toEqual({ templates: ["box"], guests: ["dev"] });
      }
      expect(await commands.run(["stop", "dev"])).toMatchObject({ code: 0 });
      await expect.poll(() => commands.remains()).toEqual([]);
    });
  });
});
