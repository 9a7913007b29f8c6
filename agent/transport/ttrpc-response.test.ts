import { expect, test } from "vitest";
import { ttrpc } from "../../proto/gen/messages.js";
import { FrameParser, MAX_BODY_BYTES } from "../../proto/ttrpc-frame.ts";
import { ANSWER_ROOM } from "../service/dispatch.ts";
import { okFrame, statusFrame } from "./ttrpc-response.ts";

test.each([0, 1, 127, 128, 2048, 2049, 16_383, 16_384, 2_097_151, 2_097_152, MAX_BODY_BYTES - 7])(
  "a frame with a payload of %i bytes decodes to that payload",
  (length) => {
    const payload = Buffer.alloc(length, 0xa5);
    const frame = okFrame(5, Buffer.concat([Buffer.alloc(ANSWER_ROOM), payload]));
    if (typeof frame === "number") throw new Error("over the limit");
    const [parsed, ...more] = new FrameParser().push(Buffer.from(frame));
    if (parsed?.kind !== "frame") throw new Error("no frame");
    expect(more).toEqual([]);
    expect([parsed.streamId, parsed.type, parsed.flags]).toEqual([5, 2, 0]);
    const response = ttrpc.Response.decode(parsed.body);
    expect(response.status?.code).toBe(0);
    expect(Buffer.compare(response.payload, payload)).toBe(0);
  },
);

test("okFrame returns the length of a response over the limit instead of a frame", () => {
  expect(okFrame(5, Buffer.alloc(ANSWER_ROOM + MAX_BODY_BYTES - 6))).toBe(MAX_BODY_BYTES + 1);
});

test("a status frame carries code and message", () => {
  const [parsed] = new FrameParser().push(statusFrame(9, { code: 5, message: "no such thing" }));
  const response = parsed?.kind === "frame" ? ttrpc.Response.decode(parsed.body) : undefined;
  expect(response?.status).toMatchObject({ code: 5, message: "no such thing" });
});
