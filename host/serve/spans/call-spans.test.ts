import { expect, test } from "vitest";
import { encodeSpans } from "../../../proto/encode-spans.ts";
import { callSpans } from "./call-spans.ts";

test("spans of an agent arrive with bounded texts", () => {
  const span = {
    ...{
      traceId: Buffer.alloc(16, 1),
      spanId: Buffer.alloc(8, 2),
      parentId: Buffer.alloc(8, 3),
      kind: "server" as const,
    },
    ...{
      name: "x".repeat(1000),
      began: 1.5,
      ended: 2.25,
      attributes: { "rpc.method": "Check", code: 5 },
      failure: "no",
    },
  } as const;
  expect(callSpans(encodeSpans([span], "guestd", "1"))).toEqual([
    {
      ...{
        trace: "01".repeat(16),
        id: "02".repeat(8),
        parent: "03".repeat(8),
        name: "x".repeat(256),
        kind: "server" as const,
      },
      ...{ began: 1.5, ended: 2.25, attributes: { "rpc.method": "Check", code: "5" }, failure: "no" },
    },
  ]);
  expect(() => callSpans(Buffer.from("nonsense"))).toThrow();
});
