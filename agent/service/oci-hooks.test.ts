import { expect, test } from "vitest";
import type { Init } from "../../proto/codec.ts";
import { grpc } from "../../proto/gen/messages.js";
import { toHooks } from "./oci-hooks.ts";

const decoded = (parts: Init<grpc.Hooks>) => toHooks(grpc.Hooks.decode(grpc.Hooks.encode(parts).finish()));

test.each([
  ["Prestart", "prestart"],
  ["CreateRuntime", "createRuntime"],
  ["CreateContainer", "createContainer"],
  ["StartContainer", "startContainer"],
  ["Poststart", "poststart"],
  ["Poststop", "poststop"],
])("hooks of the kind %s off the wire", (wire, kind) => {
  expect(decoded({ [wire]: [{ Path: "/h", Args: ["h", "x"], Env: ["A=b"], Timeout: 7 }] })).toEqual({
    [kind]: [{ path: "/h", args: ["h", "x"], env: ["A=b"], timeout: 7 }],
  });
});

test("a hook without a timeout gets 10 s", () => {
  expect(decoded({ Poststop: [{ Path: "/h" }] })?.poststop?.[0]?.timeout).toBe(10);
});

test("an empty message yields no hooks", () => {
  expect([toHooks(null), decoded({})]).toEqual([undefined, undefined]);
});
