import { once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { dial } from "../../host/client/dial.ts";
import { attach } from "../../host/client/streams/attachment.ts";
import { Connection } from "../../host/client/streams/connection.ts";
import { readWatch } from "../../host/client/streams/watch.ts";
import { GuestModel } from "../../host/engine/tree/guest-model.ts";
import { codec } from "../../proto/codec.ts";
import { guestd } from "../../proto/gen/messages.js";
import { encodeStreamFrame, STREAM } from "../../proto/stream-frame.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const watchRequest = codec("guestd.v1.WatchRequest", guestd.v1.WatchRequest);

describeInNamespaces("watching a guest", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
  });
  afterAll(async () => {
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  const address = () => `${machine.address}_1028`;

  /** Watches until the model is as wanted; returns it with the number of updates and of lost connections. */
  async function watchUntil(isWanted: (model: GuestModel, lost: number) => boolean, intervalMs = 100) {
    const model = new GuestModel();
    let [updates, lost] = [0, 0];
    const signal = AbortSignal.timeout(50_000);
    for await (const message of readWatch(address(), { intervalMs, signal })) {
      if (message.type === "lost") lost++;
      else {
        model.apply(message.update);
        updates++;
      }
      if (message.type === "update" && !message.update.more && isWanted(model, lost)) return { model, updates, lost };
    }
    throw new Error(`not seen in 20 s: ${JSON.stringify(model.usage())}`);
  }
  const stateOf = (model: GuestModel, id: string) => model.containers().find((each) => each.id === id)?.state;

  it("shows a container's life, its execs and their bytes, first whole and then as changes", async () => {
    const id = await pod.start(["sh", "-c", "read line; exit 3"]);
    const seen = await watchUntil((model) => stateOf(model, id) === "running");
    expect(seen.model.usage()).toMatchObject({ cpuMicros: expect.any(Number), memory: expect.any(Number) });
    expect(seen.updates).toBe(1);

    const process = { Args: ["sh", "-c", "echo hello; sleep 1000"], Env: ["PATH=/bin"], Cwd: "/" };
    const held = Promise.withResolvers<void>();
    const request = { container: id, exec: "printer", process };
    const attached = attach(address(), request, { onData: () => held.promise });
    const withExec = await watchUntil((model) => model.processes().some(({ stdout }) => stdout === 6));
    const exec = withExec.model.processes().find((each) => each.exec === "printer");
    expect(exec).toMatchObject({ container: id, state: "running", clients: 1, stdoutAcked: 0 });
    expect(exec && withExec.model.streamUsage(exec).unacknowledged).toBe(6);
    held.resolve();
    await watchUntil((model) => model.processes().some(({ stdoutAcked }) => stdoutAcked === 6));

    const running = Promise.withResolvers<void>();
    const ending = watchUntil((model) => {
      if (stateOf(model, id) === "running") running.resolve();
      return stateOf(model, id) === "exited";
    });
    await running.promise;
    await pod.client.agent.closeStdin({ container_id: id, exec_id: id });
    const { model, updates } = await ending;
    expect(model.processes().find((each) => each.container === id && each.exec === "")?.code).toBe(3);
    expect(updates).toBeGreaterThan(1);
    const removing = watchUntil((model) => stateOf(model, id) === undefined);
    expect((await attached.exit).code).toBe(137);
    await pod.remove(id);
    await removing;
  });

  it("continues with the whole state after the agent's death, with the number of the next agent", async () => {
    const id = await pod.start(["sleep", "1000"]);
    let killed: Promise<unknown> | undefined;
    const { model, lost } = await watchUntil((now, lost) => {
      killed ??= machine.killAgent();
      return lost > 0 && stateOf(now, id) === "running";
    });
    await killed;
    expect([lost, model.generation]).toEqual([1, 2]);
    await pod.client.close();
    pod = await Pod.open(machine);
    await pod.remove(id);
  });

  it("serves two watchers at their own intervals, and one that doesn't read delays no other", async () => {
    const stalled = await dial(address());
    stalled.pause();
    stalled.write(encodeStreamFrame("watch", STREAM.process, 0, watchRequest.encode({ version: 1, interval_ms: 100 })));
    const request = watchRequest.encode({ version: 1, interval_ms: 60_000 });
    using slow = await Connection.open(address(), "watch", request);
    expect((await slow.frames().next()).value.type).toBe("watchUpdate");
    let cpu = -1;
    let changes = 0;
    const { model } = await watchUntil((now) => {
      const { cpuMicros = 0 } = now.usage();
      if (cpuMicros !== cpu) changes++;
      cpu = cpuMicros;
      return changes >= 5;
    });
    expect(model.generation).toBe(2);
    stalled.destroy();
    await once(stalled, "close");
  });

  it("refuses a request without a version, with an interval out of bounds, or that is no message", async () => {
    const refusal = async (payload: Uint8Array) => {
      using connection = await Connection.open(address(), "watch", payload);
      return await connection
        .frames()
        .next()
        .then(
          ({ value }) => value.type,
          (error: Error) => error.message,
        );
    };
    expect(await refusal(watchRequest.encode({}))).toBe("watch: the request has no version; set 1");
    for (const interval_ms of [1, 99, 60_001, 0xffff_ffff]) {
      const line = `watch: an interval of ${interval_ms} ms; choose 100 to 60000`;
      expect(await refusal(watchRequest.encode({ version: 1, interval_ms }))).toBe(line);
    }
    expect(await refusal(Uint8Array.of(255, 255))).toMatch(/^decode guestd\.v1\.WatchRequest of 2 bytes: /);
  });
});
