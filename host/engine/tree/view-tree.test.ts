import { expect, test } from "vitest";
import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import type { ProcessRecord } from "../record/state-records.ts";
import { GuestModel } from "./guest-model.ts";
import { guestNode } from "./view-tree.ts";

const update = codec("guestd.v1.WatchUpdate", guestd.v1.WatchUpdate);

const record = (container: string, exec: string, args: readonly string[]): ProcessRecord => ({
  ...{ container, exec, args, image: "busybox", terminal: false, startedAt: "2026-11-28T00:00:00.000Z" },
  ...{ rootfs: "/", env: [], cwd: "/", user: "" },
});

test("a tree has containers by name, processes with their commands, restarts, and sums of streams", () => {
  const model = new GuestModel();
  const processes = [
    { id: 1, container_id: "web", exec_id: "", pid: 5, state: 4, code: 137, clients: 0, stdout: 9, stdout_acked: 4 },
    { id: 2, container_id: "web", exec_id: "x", pid: 6, state: 2, clients: 1, stdout: 3, stdout_acked: 0 },
    { id: 3, container_id: "db", exec_id: "", pid: 7, state: 2 },
  ];
  const containers = ["web", "db"].map((id) => ({ id, state: 2 }));
  const guest = { cpus: 2, generation: 3, agent_memory: 50 };
  model.apply(update.decode(update.encode({ whole: true, micros: 1, guest, containers, processes })));
  const node = guestNode({
    record: { name: "one", address: "unix:///one", cpus: 1 },
    ...{ link: "lost", reason: "gone", model, events: [] },
    processes: [record("web", "web", ["sh"]), record("web", "x", ["ls", "-l"])],
  });
  expect(node).toMatchObject({
    name: "one",
    link: "lost",
    reason: "gone",
    cpus: 2,
    agentRestarts: 2,
    agent: { memory: 50 },
  });
  const [db, web] = node.containers;
  expect([db?.id, db?.image, db?.processes]).toMatchObject(["db", undefined, [{ exec: "", pid: 7 }]]);
  expect(web).toMatchObject({ id: "web", image: "busybox", code: 137, streams: { unacknowledged: 8 } });
  expect(web?.processes).toMatchObject([
    { exec: "", state: "exited", code: 137, command: ["sh"] },
    { exec: "x", command: ["ls", "-l"], clients: 1 },
  ]);
});

test("a guest that has not answered has the processors of its record, and nothing else", () => {
  const parts = { link: "connecting", model: new GuestModel(), processes: [], events: [] } as const;
  const node = guestNode({ record: { name: "one", address: "unix:///one", cpus: 4 }, ...parts });
  expect(node).toMatchObject({ cpus: 4, agentRestarts: 0, containers: [], usage: { pressure: {} } });
});
