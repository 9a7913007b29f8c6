import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { dialStreams } from "./dial-streams.ts";

const directory = mkdtempSync(join(tmpdir(), "guestd-dial-streams-"));
afterAll(() => rmSync(directory, { recursive: true }));

test("frames over gRPC end with a connection that the agent ends at once, even while the code for gRPC is loaded", async () => {
  const path = join(directory, "api");
  await using server = createServer((socket) => socket.destroy());
  await once(server.listen(path), "listening");
  const frames = await dialStreams(`grpc+unix://${path}`);
  frames.on("error", () => undefined).resume();
  if (!frames.closed) await once(frames, "close");
  expect(frames.destroyed).toBe(true);
});
