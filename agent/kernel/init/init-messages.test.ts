import { expect, test } from "vitest";
import {
  decodeReply,
  encodeAdopt,
  encodeClose,
  encodeHeartbeat,
  encodeLaunch,
  encodeName,
  encodePower,
  REQUEST,
} from "./init-messages.ts";

const u32 = (...values: number[]) => Buffer.from(new Int32Array(values).buffer);
const u64 = (...values: number[]) => Buffer.from(new BigUint64Array(values.map(BigInt)).buffer);
/** A message: its type, padding, id and body. */
const message = (type: number, id: number, ...body: Buffer[]) => Buffer.concat([u32(type, 0), u64(id), ...body]);

const launch = { id: 3, plan: [], reportSlot: 0, newPidNamespace: false, keep: {}, label: "" };

test("the last word of a power request is 1 for a reboot, 0 for off", () => {
  expect([encodePower("off").at(-4), encodePower("reboot").at(-4)]).toEqual([0, 1]);
});

test("a request to adopt has the pid, the roles of its descriptors and the label", () => {
  const { bytes, fds } = encodeAdopt({ id: 9, pid: 40, keep: { report: 6, stdout: 5 }, label: "lä" });
  expect(Buffer.from(bytes)).toEqual(message(7, 9, u32(40, 0b010010), Buffer.from("lä")));
  expect(fds).toEqual([5, 6]);
});

test("a launch without namespace and cgroup has no slots for them", () => {
  const { bytes, fds } = encodeLaunch({ ...launch, slots: [7, 8], reportSlot: 1, keep: { stdin: 9 }, label: "l" });
  const slots = Buffer.from(new Int16Array([2, 1, -1, -1]).buffer);
  expect(Buffer.from(bytes)).toEqual(message(1, 3, u32(0, 1), slots, u32(1), Buffer.from("l")));
  expect(fds).toEqual([7, 8, 9]);
});

test("a launch carries up to 63 descriptors and a label of up to 1024 bytes", () => {
  const slots = new Array<number>(63).fill(7);
  expect(encodeLaunch({ ...launch, slots, label: "x".repeat(1024) }).fds).toHaveLength(63);
  expect(() => encodeLaunch({ ...launch, slots: [...slots, 7] })).toThrow(
    expect.objectContaining({
      kind: "invalid-argument",
      message: "launch 3: 64 descriptors are over the limit of 63",
    }),
  );
  expect(() => encodeAdopt({ id: 3, pid: 1, keep: {}, label: "x".repeat(1025) })).toThrow(
    "launch 3: a label of 1025 bytes is over the limit of 1024",
  );
});

test("a name of 1 to 100 bytes can be deposited", () => {
  for (const name of ["x", "x".repeat(100)])
    expect(Buffer.from(encodeName(REQUEST.keep, name))).toEqual(message(4, 0, Buffer.from(name)));
  expect(() => encodeName(REQUEST.drop, "")).toThrow(
    expect.objectContaining({
      kind: "invalid-argument",
      message: 'deposit "": the name has 0 bytes; use 1 to 100',
    }),
  );
  expect(() => encodeName(REQUEST.drop, "é".repeat(51))).toThrow("the name has 102 bytes; use 1 to 100");
});

test("closing a descriptor and a heartbeat are one word after the header", () => {
  expect(Buffer.from(encodeClose(5, "release"))).toEqual(message(3, 5, u32(5)));
  expect(Buffer.from(encodeHeartbeat(5000))).toEqual(message(8, 0, u32(5000)));
});

test.each([
  [0x0300, { code: 3, signal: 0 }],
  [0xff00, { code: 255, signal: 0 }],
  [9, { code: 137, signal: 9 }],
  [0x8b, { code: 139, signal: 11 }],
])("a status of wait(2) of 0x%x is reported as %j", (status, expected) => {
  const usage = { userMicros: 1, systemMicros: 2, maxRssKib: 3 };
  const reply = decodeReply(message(17, 8, u32(status), u64(1, 2, 3)), []);
  expect(reply).toEqual({ type: "exited", id: 8, exit: { ...expected, ...usage } });
});

test("a process that had ended before its adoption has no pidfd, and its descriptors have their roles", () => {
  const body = [u32(40, 0, 0), u64(0, 0, 0), u32(0b001011, 1), Buffer.from("l")];
  const running = decodeReply(message(18, 1, ...body), [6, 7, 8, 9]);
  expect(running).toEqual({
    ...{ type: "process", id: 1, pid: 40, label: "l", pidfd: 6 },
    kept: { stdin: 7, stdout: 8, terminal: 9 },
  });
  expect(decodeReply(message(18, 1, ...body), [7, 8, 9])).toEqual({ ...running, pidfd: undefined });
  // A descriptor is missing if this process had no free numbers.
  expect(decodeReply(message(18, 1, ...body), [])).toMatchObject({ pidfd: undefined, kept: {} });
});

test("a message is decoded wherever it is in its buffer", () => {
  const bytes = message(20, 0, u64(2, 5, 6));
  const padded = Buffer.concat([Buffer.alloc(3, 0xff), bytes, Buffer.alloc(3, 0xff)]);
  expect(decodeReply(padded.subarray(3, 3 + bytes.length), [])).toEqual({
    ...{ type: "ready", generation: 2, initStartMicros: 5, agentExecMicros: 6 },
  });
  expect(decodeReply(message(19, 0, Buffer.from("näme")), [4])).toEqual({ type: "kept", name: "näme", fd: 4 });
  expect(decodeReply(message(19, 0, Buffer.from("x")), [])).toMatchObject({ fd: -1 });
});

test("an unknown message names its type, and a short one its length", () => {
  expect(() => decodeReply(message(99, 0), [])).toThrow(
    "message from init: unknown type 99; init and agent have different versions",
  );
  expect(() => decodeReply(message(20, 0, u64(1)), [])).toThrow("message from init: truncated at 24 bytes");
});
