import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { memoryDisks, memoryWords, plugMemory, SLOTS } from "./disk-memory.ts";
import { MachineError } from "./machine-error.ts";

const MIB = 2 ** 20;
const BASE = 0x1_0000_0000;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "disk-memory-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function disk(serial: string, mib = 4) {
  const file = join(folder, `${serial}, "file"`);
  writeFileSync(file, "");
  truncateSync(file, mib * MIB);
  return { file, serial };
}

/** Plays a QEMU of 512 MiB that has an image of 4 MiB in slot 0. */
function qemu({ slots = SLOTS, maxMib = 528, refuses = false } = {}) {
  const objects = new Map<string, { "mem-path": string; size: number }>();
  const devices = [{ id: "image", addr: BASE, size: 4 * MIB, slot: 0 }];
  const answers: Record<string, (parameters: Readonly<Record<string, unknown>>) => unknown> = {
    "qom-list": () => devices.slice(1).map(({ id }) => ({ name: id })),
    "query-memory-devices": () => devices.map((data) => ({ type: "nvdimm", data })),
    "qom-get": ({ path }) =>
      path === "/machine"
        ? { size: 512 * MIB, "max-size": maxMib * MIB, slots }
        : objects.get(String(path).replace("/objects/", ""))?.["mem-path"],
    "object-add": ({ id, ...rest }) => objects.set(String(id), rest as { "mem-path": string; size: number }),
    "object-del": ({ id }) => objects.delete(String(id)),
    device_add: ({ id, memdev, slot }) => {
      if (refuses) throw new MachineError("QEMU device_add: refused");
      const { size = 0 } = objects.get(String(memdev)) ?? {};
      const last = devices.at(-1) ?? { addr: 0, size: 0 };
      return devices.push({ id: String(id), addr: last.addr + last.size, size, slot: Number(slot) });
    },
  };
  const execute = async (command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> =>
    answers[command]?.(parameters) ?? {};
  return { execute, objects };
}

test("plugs each disk in once, and returns the address where it begins", async () => {
  const played = qemu();
  const first = BASE + 4 * MIB;
  expect(await plugMemory(played, disk("aa"))).toBe(first);
  expect(await plugMemory(played, disk("bb"))).toBe(first + 4 * MIB);
  expect(await plugMemory(played, disk("aa"))).toBe(first);
  expect(await memoryDisks(played)).toEqual([
    { ...disk("aa"), slot: 8, address: first },
    { ...disk("bb"), slot: 9, address: first + 4 * MIB },
  ]);
});

test("finds no room in a guest that was booted without, and for more bytes than are left", async () => {
  expect(await plugMemory(qemu({ slots: 2 }), disk("aa"))).toBeUndefined();
  const played = qemu({ maxMib: 524 });
  expect(await plugMemory(played, disk("aa", 9))).toBeUndefined();
  expect(await plugMemory(played, disk("bb", 8))).toBeDefined();
  expect(await plugMemory(played, disk("cc", 1))).toBeUndefined();
});

test("removes the file of a device that QEMU refuses", async () => {
  const played = qemu({ refuses: true });
  await expect(plugMemory(played, disk("aa"))).rejects.toThrow("QEMU device_add: refused");
  expect(played.objects.size).toBe(0);
});

test("gives a restored guest the disk in the slot and at the address that it had", () => {
  const [, object = "", , device = ""] = memoryWords({ ...disk("aa"), slot: 9, address: BASE });
  expect(JSON.parse(object)).toMatchObject({ "mem-path": disk("aa").file, size: 4 * MIB, share: true, readonly: true });
  expect(JSON.parse(device)).toEqual({
    ...{ driver: "nvdimm", id: "memory9-aa", memdev: "file-memory9-aa", unarmed: true },
    ...{ slot: 9, addr: BASE },
  });
});
