import { expect, test } from "vitest";
import { deviceMapperCalls, mapperRequest } from "./sys-device-mapper.ts";

const TARGET = { type: "verity", sectors: 16, params: "1 /dev/vdb" };

/** Answers each command with the next number, and records commands with device names. */
function mapper(...answers: number[]) {
  const asked: string[] = [];
  const calls = deviceMapperCalls({
    async deviceMapper(command, request) {
      asked.push(`${command} ${Buffer.from(request.subarray(48, 176)).toString().replace(/\0+$/, "")}`);
      return answers.shift() ?? 0;
    },
  });
  return { asked, ...calls };
}

test("mapDevice creates a device, loads its table, resumes it and returns its path", async () => {
  const { asked, mapDevice } = mapper(0, 0, (254 << 8) | 3);
  expect(await mapDevice("layer", TARGET)).toBe("/dev/dm-3");
  expect(asked).toEqual(["3 layer", "9 layer", "6 layer"]);
});

test("a minor of more than eight bits is decoded completely", async () => {
  expect(await mapper(0, 0, (254 << 8) | (1 << 20) | 2).mapDevice("layer", TARGET)).toBe("/dev/dm-258");
});

test("a device whose table is refused is removed", async () => {
  const { asked, mapDevice } = mapper(0, -22);
  await expect(mapDevice("layer", TARGET)).rejects.toThrow("load verity table of layer: EINVAL");
  expect(asked).toEqual(["3 layer", "9 layer", "4 layer"]);
});

test("a kernel without device mapper is reported with the builder's option", async () => {
  await expect(mapper(-2).mapDevice("layer", TARGET)).rejects.toThrow(
    "map device layer: the kernel has no device mapper: for ours, build the initramfs with --with-verity",
  );
});

test("a missing device counts as removed, any other failure is thrown", async () => {
  await mapper(-6).unmapDevice("layer");
  await mapper(-2).unmapDevice("layer");
  await expect(mapper(-16).unmapDevice("layer")).rejects.toThrow("remove device layer: EBUSY");
});

test("a request has the sizes and offsets of linux/dm-ioctl.h", () => {
  const request = mapperRequest("layer", 1, TARGET);
  expect(request.length).toBe(312 + 40 + 16);
  expect([0, 4, 8, 12, 16, 20, 28].map((at) => request.readUInt32LE(at))).toEqual([4, 0, 0, 368, 312, 1, 1]);
  expect(request.toString("latin1", 48, 54)).toBe("layer\0");
  expect([request.readBigUInt64LE(312), request.readBigUInt64LE(320)]).toEqual([0n, 16n]);
  expect(request.readUInt32LE(332)).toBe(56);
  expect(request.toString("latin1", 336, 343)).toBe("verity\0");
  expect(request.toString("latin1", 352, 363)).toBe("1 /dev/vdb\0");
});

test.each(["", "a/b", "a\0b", "x".repeat(128)])("%j is refused as a device name", (name) => {
  expect(() => mapperRequest(name, 0)).toThrow(
    expect.objectContaining({
      kind: "invalid-argument",
      message: `mapped device ${JSON.stringify(name)}: invalid name; use 1 to 127 bytes without / and NUL`,
    }),
  );
});
