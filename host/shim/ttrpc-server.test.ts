import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeHeader, FRAME_REQUEST, MAX_BODY_BYTES } from "../../proto/ttrpc-frame.ts";
import { dial } from "../client/dial.ts";
import { TtrpcClient } from "../client/ttrpc-client.ts";
import { OperationError } from "../operation-error.ts";
import { serveTtrpc } from "./ttrpc-server.ts";

const directory = mkdtempSync(join(tmpdir(), "ttrpc-"));
const socket = join(directory, "s");
const clients: Socket[] = [];
let server: Server;
beforeAll(async () => {
  const late = new Promise((resolve) => setTimeout(resolve, 50));
  server = createServer((client) => {
    clients.push(client);
    serveTtrpc(client, async (service, method, payload) => {
      if (method === "Late") await late;
      if (method === "Fail") throw new OperationError("container c: not found\nsecond line", { kind: "not-found" });
      return Buffer.concat([Buffer.from(`${service}.${method} `), payload]);
    });
  });
  await new Promise<void>((resolve) => void server.listen(socket, resolve));
});
afterAll(() => {
  for (const client of clients) client.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

test("answers calls as they end, and errors in one line with their code", async () => {
  await using client = new TtrpcClient(await dial(`unix://${socket}`));
  const order: string[] = [];
  const call = (method: string) =>
    client.call("s", method, Buffer.from("x")).then((answer) => void order.push(Buffer.from(answer).toString()));
  await Promise.all([call("Late"), call("Now")]);
  expect(order).toEqual(["s.Now x", "s.Late x"]);
  await expect(call("Fail")).rejects.toMatchObject({ kind: "not-found", message: "container c: not found" });
});

test.each([
  [
    "what is no request",
    Buffer.concat([
      encodeHeader(3, { streamId: 1, type: FRAME_REQUEST, flags: 0 }),
      Buffer.from("\xff\xff\xff", "latin1"),
    ]),
  ],
  ["a frame of another kind", encodeHeader(0, { streamId: 1, type: 9, flags: 0 })],
  [
    "a request that is too long",
    Buffer.concat([
      encodeHeader(MAX_BODY_BYTES + 1, { streamId: 1, type: FRAME_REQUEST, flags: 0 }),
      Buffer.alloc(MAX_BODY_BYTES + 1),
    ]),
  ],
  ["half a frame", Buffer.alloc(5)],
])("goes on after %s", async (_, bytes) => {
  const bad = await dial(`unix://${socket}`);
  bad.on("error", () => undefined).end(bytes);
  bad.resume();
  await new Promise((resolve) => bad.once("close", resolve));
  await using client = new TtrpcClient(await dial(`unix://${socket}`));
  await client.call("s", "Now", Buffer.alloc(0));
});
