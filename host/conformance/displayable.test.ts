import { expect, test } from "vitest";
import { grpc } from "../../proto/gen/messages.js";
import { displayable } from "./displayable.ts";

test("a message is shown without the fields at their default", () => {
  const request = grpc.SignalProcessRequest.decode(
    grpc.SignalProcessRequest.encode({ container_id: "c", signal: 9 }).finish(),
  );
  expect(displayable(request)).toEqual({ container_id: "c", signal: 9 });
  expect(displayable({})).toEqual({});
});

test("bytes are shown as text, or as hex", () => {
  expect(displayable({ data: Buffer.from("line\n\u001b[0m") })).toEqual({ data: "line\n\u001b[0m" });
  expect(displayable({ data: Uint8Array.of(0, 255) })).toEqual({ data: "hex 00ff" });
  expect(displayable({ data: Buffer.alloc(5000, "x") })).toEqual({ data: `${"x".repeat(2000)} … (5000 bytes)` });
});

test("long lists and texts are cut", () => {
  const { list, text } = displayable({ list: Array(100).fill(1), text: "y".repeat(3000) }) as Record<string, string>;
  expect(list).toHaveLength(65);
  expect(list?.at(-1)).toBe("… 36 more");
  expect(text).toBe(`${"y".repeat(2000)} … (3000 characters)`);
});

test("secrets are redacted by the name of a field or of a variable, and in URLs", () => {
  const shown = displayable({
    Env: ["PATH=/bin", "API_TOKEN=abc", "DB_PASSWORD=xyz"],
    token: "abc",
    source: "https://ann:pass@registry/x",
    headers: "authorization: Bearer abc",
  });
  expect(shown).toEqual({
    Env: ["PATH=/bin", "API_TOKEN=[redacted]", "DB_PASSWORD=[redacted]"],
    token: "[redacted]",
    source: "https://[redacted]@registry/x",
    headers: expect.stringMatching(/^authorization: \[redacted\]/),
  });
});
