import { expect, test } from "vitest";
import { ttrpc } from "../../proto/gen/messages.js";
import { monotonicMs } from "../kernel/monotonic-ms.ts";
import { namesOf, readKept, readRequest } from "./ttrpc-request.ts";

const encode = (request: Parameters<typeof ttrpc.Request.encode>[0]) =>
  Buffer.from(ttrpc.Request.encode(request).finish());
const frame = (body: Buffer, streamId = 1) => ({
  ...({ kind: "frame", streamId, type: 1, flags: 0, isView: true, body } as const),
});

test("a request has its names, payload, metadata and deadline, and no view of the bytes it was read from", () => {
  const body = encode({
    ...{ service: "a.B", method: "C", payload: Buffer.from("x"), timeout_nano: 5e9 },
    metadata: [{ key: "k", value: "v" }],
  });
  const before = monotonicMs();
  const request = readRequest(frame(body));
  body.fill(0);
  if ("code" in request) throw new Error(request.message);
  const { service, method, payload, metadata, deadline } = request;
  expect([service, method, String(payload), [...metadata]]).toEqual(["a.B", "C", "x", [["k", "v"]]]);
  expect(deadline - 5000 - before).toBeGreaterThanOrEqual(0);
  expect(deadline - 5000 - before).toBeLessThan(60_000);
});

test.each([0, -1])("a request with a timeout of %i has no deadline", (timeout_nano) => {
  expect(readRequest(frame(encode({ service: "a.B", method: "C", timeout_nano })))).toMatchObject({ deadline: 0 });
});

test("a request that can't be served is refused with its reason", () => {
  const garbage = Buffer.from([0xff, 0xff]);
  const oversize = { kind: "oversize", streamId: 1, type: 1, flags: 0, length: 9 } as const;
  expect(readRequest(frame(garbage, 4))).toMatchObject({ message: "stream id 4 must be odd" });
  expect(readRequest(frame(garbage))).toMatchObject({
    message: expect.stringMatching(/^decode ttrpc.Request of 2 bytes: ./),
  });
  expect(readRequest(oversize)).toMatchObject({ message: "request of 9 bytes is over the limit of 4 MiB" });
  expect(readRequest({ ...oversize, noRoom: true })).toMatchObject({
    message: "request of 9 bytes: all memory for requests is in use",
  });
});

test("a kept request can be repeated, unless only its names were kept", () => {
  const body = encode({ service: "a.B", method: "C", payload: Buffer.from("x") });
  const whole = readKept(body, 12);
  expect(whole).toMatchObject({ whole: true, request: { service: "a.B", method: "C", deadline: 12 } });
  if (whole === undefined) return;
  const names = readKept(Buffer.from(namesOf(whole.request)), 12);
  expect(names).toMatchObject({ whole: false, request: { service: "a.B", method: "C" } });
  expect(names?.request.payload).toHaveLength(0);
});

test.each([[[]], [[0xff, 0xff]]])("a kept request of bytes %j is none", (bytes) => {
  expect(readKept(Buffer.from(bytes), 0)).toBeUndefined();
});
