import { expect, test } from "vitest";
import { debugOptions } from "./debug.ts";

test("runs a shell that may trace, beside the target, unless another command is given", () => {
  expect(debugOptions("web", [], {})).toMatchObject({
    entrypoint: [],
    args: ["sh"],
    capabilities: ["CAP_SYS_PTRACE"],
    annotations: { "guestd.debug": "web" },
  });
  expect(debugOptions("web", ["ps"], { writable: true })).toMatchObject({
    args: ["ps"],
    annotations: { "guestd.debug": "web", "guestd.debug.writable": "true" },
  });
});
