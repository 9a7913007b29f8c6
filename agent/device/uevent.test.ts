import fc from "fast-check";
import { expect, test } from "vitest";
import { parseUevent } from "./uevent.ts";

const DISK = "/devices/pci0000:00/0000:00:02.0/virtio1/block/vda";
const message = (...words: string[]) => Buffer.from(words.map((word) => `${word}\0`).join(""));

test("the kernel's message about a disk is parsed", () => {
  const words = ["ACTION=add", `DEVPATH=${DISK}`, "SUBSYSTEM=block", "MAJOR=254", "DEVNAME=vda", "SEQNUM=1234"];
  expect(parseUevent(message(`add@${DISK}`, ...words))).toEqual({ action: "add", devpath: DISK, subsystem: "block" });
});

test.each([
  ["a message that udev passes on", message("libudev", "ACTION=add", `DEVPATH=${DISK}`, "SUBSYSTEM=block")],
  ["an empty message", message()],
  ["a message without a subsystem", message(`add@${DISK}`, "ACTION=add", `DEVPATH=${DISK}`)],
  ["a header that contradicts its fields", message(`add@${DISK}`, "ACTION=add", "DEVPATH=/x", "SUBSYSTEM=block")],
  ["a path that leads out", message("add@/a/../b", "ACTION=add", "DEVPATH=/a/../b", "SUBSYSTEM=block")],
  ["a relative path", message("add@a", "ACTION=add", "DEVPATH=a", "SUBSYSTEM=block")],
  ["a subsystem with a slash", message("add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=x/y")],
  ["a message that is cut off", message("add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=block").subarray(0, -1)],
  ["bytes that are not UTF-8", Buffer.concat([message("add@/a"), Buffer.from([0xff, 0])])],
])("%s is not an event", (_, bytes) => {
  expect(parseUevent(bytes)).toBeUndefined();
});

const name = fc.stringMatching(/^[\w:@#,-]{1,20}$/);

test("any message that the kernel can send is parsed", () => {
  const event = fc.record({
    action: fc.constantFrom("add", "remove", "change", "move", "online", "offline", "bind", "unbind"),
    devpath: fc.array(name, { minLength: 1, maxLength: 12 }).map((names) => `/${names.join("/")}`),
    subsystem: name,
  });
  const extra = fc.array(fc.tuple(fc.stringMatching(/^X[A-Z_]{0,8}$/), fc.stringMatching(/^[^\0]{0,20}$/)));
  fc.assert(
    fc.property(event, extra, (uevent, more) => {
      const { action, devpath, subsystem } = uevent;
      const words = [`ACTION=${action}`, `DEVPATH=${devpath}`, `SUBSYSTEM=${subsystem}`];
      const bytes = message(`${action}@${devpath}`, ...words, ...more.map(([key, value]) => `${key}=${value}`));
      expect(parseUevent(bytes)).toEqual(uevent);
    }),
  );
});

test("any bytes give either no event or a path below /sys", () => {
  const byte = fc.oneof(
    fc.constantFrom(...Buffer.from("add@/.\0ACTION=DEVPATHSUBYM")),
    fc.integer({ min: 0, max: 255 }),
  );
  const mutated = fc.tuple(fc.nat(80), byte).map(([at, value]) => {
    const bytes = message("add@/a/b", "ACTION=add", "DEVPATH=/a/b", "SUBSYSTEM=block");
    bytes[at % bytes.length] = value;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), mutated), (bytes) => {
      const found = parseUevent(bytes);
      if (found === undefined) return;
      expect(found.devpath).toMatch(/^\/[^\0]+$/);
      expect(found.devpath.split("/")).not.toContain("..");
    }),
    { numRuns: 2000 },
  );
});
