import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { containerd } from "../../proto/gen/containerd.js";
import { RpcError } from "../client/rpc-error.ts";
import { EventPublisher } from "./event-publisher.ts";
import { serveTtrpc } from "./ttrpc-server.ts";

const { ForwardRequest } = containerd.services.events.ttrpc.v1;
let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "events-"));
  path = join(directory, "s");
});
afterEach(() => rmSync(directory, { recursive: true }));

/** An engine that notes what it gets, and can be stopped. */
async function engine(refusal?: RpcError) {
  const got: string[] = [];
  const clients: Socket[] = [];
  const server: Server = createServer((client) => {
    clients.push(client);
    serveTtrpc(client, async (service, method, payload) => {
      const { envelope } = ForwardRequest.decode(payload);
      got.push(`${service}/${method} ${envelope?.namespace} ${envelope?.topic} ${envelope?.event?.type_url}`);
      if (refusal !== undefined) throw refusal;
      return new Uint8Array();
    });
  });
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  const stop = async () => {
    for (const client of clients) client.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { got, stop };
}

const line = (topic: string, name: string) =>
  `containerd.services.events.ttrpc.v1.Events/Forward ns /tasks/${topic} containerd.events.${name}`;

test("sends events in order, and those of an engine's absence once it is back", async () => {
  const { publish, ...rest } = new EventPublisher(path, "ns");
  void rest;
  const before = await engine();
  publish("TaskStart", { container_id: "c", pid: 1 });
  await expect.poll(() => before.got).toEqual([line("start", "TaskStart")]);
  await before.stop();
  publish("TaskPaused", { container_id: "c" });
  publish("TaskResumed", { container_id: "c" });
  const after = await engine();
  await expect
    .poll(() => after.got, { timeout: 10_000 })
    .toEqual([line("paused", "TaskPaused"), line("resumed", "TaskResumed")]);
  await after.stop();
});

test("an event that the engine refuses is sent once", async () => {
  const refusing = await engine(new RpcError("invalid-argument", "no"));
  const events = new EventPublisher(path, "ns");
  events.publish("TaskOOM", { container_id: "c" });
  await events.flush(10_000);
  expect(refusing.got).toEqual([line("oom", "TaskOOM")]);
  await refusing.stop();
});

test("doesn't wait for an engine that is gone, or that wants no events", async () => {
  const gone = new EventPublisher(path, "ns");
  gone.publish("TaskOOM", { container_id: "c" });
  await gone.flush(50);
  const none = new EventPublisher("", "ns");
  none.publish("TaskOOM", { container_id: "c" });
  await none.flush(10_000);
});
