import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { attachDisk, diskArguments, sharedDisks } from "./disks.ts";
import { MachineError } from "./machine-error.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "disks-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function disk(serial: string) {
  const file = join(folder, `${serial}, "file"`);
  writeFileSync(file, "");
  return { file, serial };
}

/** Plays a QEMU without room for persistent memory: knows the devices that were plugged in. */
function qemu(names: string[] = []) {
  const commands: { command: string; parameters: Readonly<Record<string, unknown>> }[] = [];
  return {
    commands,
    async execute(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
      if (command === "qom-list") return ["type", ...names].map((name) => ({ name }));
      if (command === "query-named-block-nodes")
        return names.map((name) => ({ "node-name": name, file: `/of/${name}` }));
      if (command === "query-memory-devices") return [];
      if (command === "qom-get") return { size: 1 << 29, "max-size": 1 << 30, slots: 2 };
      commands.push({ command, parameters });
      if (command === "device_add") {
        if (parameters["serial"] === "refused") throw new MachineError("QEMU device_add: refused");
        names.push(String(parameters["id"]));
      }
      return {};
    },
  };
}

test("plugs in the same disk that a restored guest has from its start", async () => {
  const played = qemu();
  expect(await attachDisk(played, "dev", disk("aa"))).toEqual({ driver: "blk", source: "18/01" });
  const [node, device] = played.commands.map(({ parameters }) => parameters);
  const words = diskArguments([{ ...disk("aa"), unit: 0 }]);
  expect(JSON.parse(words[words.indexOf("-blockdev") + 1] ?? "")).toEqual(node);
  expect(JSON.parse(words.at(-1) ?? "")).toEqual(device);
  expect(node).toMatchObject({ driver: "raw", "read-only": true });
});

test("gives each disk a slot, and a known disk the one that it has", async () => {
  const played = qemu(["disk2-cc"]);
  const sources = [];
  for (const serial of ["aa", "bb", "cc", "dd"]) sources.push(await attachDisk(played, "dev", disk(serial)));
  expect(sources.map(({ source }) => source)).toEqual(["18/01", "18/02", "18/03", "18/04"]);
  expect(played.commands).toHaveLength(6);
});

test("returns the disks that a guest has, which another guest can have in the same slots", async () => {
  const disks = await sharedDisks(qemu(["disk2-cc", "disk0-aa"]));
  expect(disks).toEqual([
    { unit: 2, serial: "cc", file: "/of/disk2-cc" },
    { unit: 0, serial: "aa", file: "/of/disk0-aa" },
  ]);
  const devices = diskArguments(disks).filter((word) => word.includes("virtio-blk-pci"));
  expect(devices.map((text) => (JSON.parse(text) as { addr: string }).addr)).toEqual(["0x03", "0x01"]);
});

test("refuses a disk without a slot in one line, and takes back what QEMU refuses", async () => {
  const full = qemu(Array.from({ length: 31 }, (_, unit) => `disk${unit}-a${unit}`));
  await expect(attachDisk(full, "dev", disk("bb"))).rejects.toThrow(
    "guest dev: it can have 31 images on disks, and has them; use another guest",
  );
  const played = qemu();
  await expect(attachDisk(played, "dev", disk("refused"))).rejects.toThrow("QEMU device_add: refused");
  expect(played.commands.at(-1)).toEqual({
    command: "blockdev-del",
    parameters: { "node-name": "disk0-refused" },
  });
});
