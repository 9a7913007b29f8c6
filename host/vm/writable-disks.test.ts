import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MachineError } from "./machine-error.ts";
import { attachWritable, detachGone, detachWritable, writableArguments, writableDisks } from "./writable-disks.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "writable-disks-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function disk(serial: string) {
  const file = join(folder, `${serial}, "file"`);
  writeFileSync(file, "");
  return { file, serial };
}

/** Plays QEMU: knows the devices that were plugged in. */
function qemu(...names: string[]) {
  const commands: { command: string; parameters: Readonly<Record<string, unknown>> }[] = [];
  return {
    commands,
    async execute(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
      if (command === "qom-list") return ["type", "disk0-aa", ...names].map((name) => ({ name }));
      if (command === "query-named-block-nodes")
        return names.map((name) => ({ "node-name": name, file: `/of/${name}` }));
      commands.push({ command, parameters });
      if (command === "device_add") {
        if (parameters["serial"] === "refused") throw new MachineError("QEMU device_add: refused");
        names.push(String(parameters["id"]));
      }
      if (command === "device_del") names.splice(names.indexOf(String(parameters["id"])), 1);
      return {};
    },
    event: async () => ({}),
  };
}

test("plugs in the same disk that a guest can have from its start", async () => {
  const played = qemu();
  expect(await attachWritable(played, "dev", disk("aa"))).toBe("1a/01");
  const [node, device] = played.commands.map(({ parameters }) => parameters);
  const words = writableArguments([disk("aa")]);
  expect(JSON.parse(words[words.indexOf("-blockdev") + 1] ?? "")).toEqual(node);
  expect(JSON.parse(words.at(-1) ?? "")).toEqual(device);
});

test("reports a full disk of the host to the guest, which QEMU would otherwise stop", async () => {
  const played = qemu();
  await attachWritable(played, "dev", disk("aa"));
  expect(played.commands.at(-1)?.parameters).toMatchObject({ werror: "report", rerror: "report" });
});

test("gives each disk a slot, a known disk the one that it has, and another disk the slot of an unplugged one", async () => {
  const played = qemu("writable1-cc");
  expect(await attachWritable(played, "dev", disk("aa"))).toBe("1a/01");
  expect(await attachWritable(played, "dev", disk("bb"))).toBe("1a/03");
  expect(await attachWritable(played, "dev", disk("cc"))).toBe("1a/02");
  await detachWritable(played, disk("cc"));
  expect(played.commands.slice(-2).map(({ command }) => command)).toEqual(["device_del", "blockdev-del"]);
  expect(await attachWritable(played, "dev", disk("dd"))).toBe("1a/02");
});

test("unplugs nothing from a guest that doesn't have the disk", async () => {
  const played = qemu("writable0-aa");
  await detachWritable(played, disk("bb"));
  expect(played.commands).toEqual([]);
});

test("unplugs the disks whose files are gone, and no other", async () => {
  const played = qemu("writable0-aa");
  await detachGone(played);
  const ids = played.commands.map(({ command, parameters }) => [command, parameters]);
  expect(ids).toEqual([
    ["device_del", { id: "writable0-aa" }],
    ["blockdev-del", { "node-name": "writable0-aa" }],
  ]);
});

test("returns the disks that a guest has, which another guest can have in the same slots", async () => {
  const disks = await writableDisks(qemu("writable2-cc", "writable0-aa"));
  expect(disks).toEqual([
    { unit: 2, serial: "cc", file: "/of/writable2-cc" },
    { unit: 0, serial: "aa", file: "/of/writable0-aa" },
  ]);
  const devices = writableArguments(disks).filter((text) => text.includes("virtio-blk-pci"));
  expect(devices.map((text) => (JSON.parse(text) as { addr: string }).addr)).toEqual(["0x03", "0x01"]);
});

test("refuses a disk without a slot in one line, and takes back what QEMU refuses", async () => {
  const full = qemu(...Array.from({ length: 31 }, (_, unit) => `writable${unit}-a${unit}`));
  await expect(attachWritable(full, "dev", disk("bb"))).rejects.toThrow(
    "guest dev: it can have 31 writable disks, and has them; remove containers, or use another guest",
  );
  const played = qemu();
  await expect(attachWritable(played, "dev", disk("refused"))).rejects.toThrow("QEMU device_add: refused");
  expect(played.commands.at(-1)).toEqual({
    command: "blockdev-del",
    parameters: { "node-name": "writable0-refused" },
  });
});
