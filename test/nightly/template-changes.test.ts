import { copyFileSync, cpSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { repositoryRoot } from "../../host/vm/paths.ts";
import { findQemu } from "../../host/vm/programs.ts";
import { TemplateCommands } from "./testing/template-commands.ts";

/** Names of the files that a guest boots from, with the word for each. */
const BOOT_FILES = { vmlinuz: "kernel", "initrd.cpio": "initrd", "guest.img": "image" } as const;

/** A template whose guest booted from files of its own, which the tests change one by one. */
describe("a template", () => {
  let commands: TemplateCommands;
  let folder = "";
  beforeAll(async () => {
    commands = new TemplateCommands();
    folder = join(commands.directory, "vm");
    mkdirSync(folder);
    cpSync(join(repositoryRoot, "build/image"), join(folder, "image"), { recursive: true });
    const image = join(commands.directory, "busybox.tar");
    await makeBusyboxImage(image);
    const made = await commands.run(["template", "create", "box", "--vm-image", folder, "--image", image]);
    expect(made).toMatchObject({ code: 0 });
  });
  afterAll(() => commands[Symbol.dispose]());

  /** Expects that no guest starts from it, for a reason that is one line. */
  async function expectRefused(why: RegExp, path?: string): Promise<void> {
    for (const args of [
      ["run", "--template", "box", "echo", "never"],
      ["boot", "-d", "--template", "box", "--name", "dev"],
    ]) {
      const { stdout, stderr, code } = await commands.run(args, path);
      expect(stderr).toMatch(/^guestctl: [^\n]*\n$/);
      expect(stderr).toMatch(why);
      expect([stdout, code === 0]).toEqual(["", false]);
      await expect.poll(() => commands.remains()).toEqual([]);
    }
    expect(await commands.listed()).toEqual({ templates: ["box"], guests: [] });
  }

  const expectStarts = async () =>
    expect(await commands.run(["run", "--template", "box", "echo", "starts"])).toMatchObject({ stdout: "starts\n" });

  test.each(Object.entries(BOOT_FILES))("whose file %s has changed or is gone is refused", async (name, word) => {
    const file = join(folder, "image", name);
    const bytes = readFileSync(file);
    const at = bytes.length >> 1;
    writeFileSync(file, bytes.with(at, (bytes[at] ?? 0) ^ 1));
    await expectRefused(new RegExp(`: ${word} \\S+/${name} has changed since; create it again\n$`));
    renameSync(file, `${file}.gone`);
    await expectRefused(new RegExp(`: ${word} \\S+/${name}: ENOENT; create it again\n$`));
    writeFileSync(file, bytes);
    await expectStarts();
  });

  test("whose container's disk has changed is refused", async () => {
    const disk = join(commands.cache, "guestd/templates/named/box/disk-0");
    const bytes = readFileSync(disk);
    const at = bytes.length >> 1;
    writeFileSync(disk, bytes.with(at, (bytes[at] ?? 0) ^ 1));
    await expectRefused(/: disk \S+ has changed since; create it again\n$/);
    writeFileSync(disk, bytes);
    await expectStarts();
  });

  test("of another build of QEMU is refused", async () => {
    const qemu = findQemu();
    const programs = join(commands.directory, "bin");
    mkdirSync(programs);
    // Where QEMU looks for its firmware and modules, from its own path.
    for (const name of ["share", "lib"]) symlinkSync(join("/usr", name), join(commands.directory, name));
    const name = qemu.slice(qemu.lastIndexOf("/") + 1);
    copyFileSync(qemu, join(programs, name));
    writeFileSync(join(programs, name), anotherBuild(readFileSync(qemu)));
    await expectRefused(/: QEMU was (\S+) \(.*\) and is \1 \(.*\); create it again\n$/, programs);
    await expectStarts();
  });
});

/** Returns a QEMU that differs only in the name of its package, by which builds of a version are told apart. */
function anotherBuild(program: Buffer): Buffer {
  const text = program.toString("latin1");
  const [, version = ""] = /QEMU emulator version \S+ \(([^)\0]+)\)/.exec(text) ?? [];
  expect(version).not.toBe("");
  return Buffer.from(text.replaceAll(version, `${version.slice(0, -1)}~`), "latin1");
}
