import { readFileSync, watch } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { AgentClient } from "../../host/client/agent-client.ts";
import { readEvents } from "../../host/client/streams/events.ts";
import type { GuestEvent } from "../../host/client/streams/guest-event.ts";
import { codec } from "../../proto/codec.ts";
import { guestd } from "../../proto/gen/messages.js";
import { STREAM } from "../../proto/stream-frame.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { pidOfArgument } from "../scenarios/pid-of-argument.ts";
import { Pod } from "../scenarios/pod.ts";
import { RawStreams } from "../scenarios/raw-streams.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const hello = codec("guestd.v1.Hello", guestd.v1.Hello);
const { BEFORE_ANSWER, WHEN_QUIET } = guestd.v1.AgentReplacement;
const entropy = Buffer.alloc(32, "entropy");
const UNTIL_STOPPED = ["sh", "-c", "while [ ! -e /stop ]; do sleep 0.02; done"];
const COUNT = ["sh", "-c", "i=0; while [ ! -e /stop ]; do i=$((i+1)); echo $i; sleep 0.02; done"];

describeInNamespaces("Quiesce and Resumed", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  beforeAll(async () => {
    machine = await startHostAgent();
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    pod = await Pod.open(machine);
  });
  afterEach(() => pod?.client.close());

  const refused = { kind: "unavailable", message: expect.stringMatching(/^[^\n]*quiesced[^\n]*Resumed[^\n]*$/) };
  const freezerOf = async (id: string) =>
    (await machine.shell(`cat $(find /sys/fs/cgroup -name '*${id}*' -type d)/cgroup.freeze`)).trim();
  const epochOf = async ({ guest }: AgentClient) => (await guest.quiesce({})).epoch;

  /** Makes the guest a clone, over a connection of its own if gRPC is given, which the restart of the agent ends. */
  async function clone(protocol: "ttrpc" | "grpc", replacement: 0 | 1 = BEFORE_ANSWER): Promise<number> {
    const epoch = (await epochOf(pod.client)) + 1;
    const request = { epoch, entropy, hostname: `clone-${epoch}`, replacement };
    if (protocol === "ttrpc") return (await pod.client.guest.resumed(request)).epoch;
    for (;;) {
      await using client = await machine.connect({ protocol });
      const answer = await client.guest.resumed(request).catch((error: { kind?: string }) => {
        if (error.kind !== "unavailable") throw error;
      });
      if (answer !== undefined) return answer.epoch;
    }
  }

  it("refuse creations in between, freeze running containers alone, and thaw what Quiesce froze", async () => {
    const { guest, agent } = pod.client;
    const [running, paused, ended] = [await pod.start(["cat"]), await pod.start(["cat"]), await pod.start(["cat"])];
    await agent.pauseContainer({ container_id: paused });
    const { epoch } = await guest.quiesce({ freeze_containers: true });
    await guest.quiesce({ freeze_containers: true });
    expect([await freezerOf(running), await freezerOf(paused)]).toEqual(["1", "1"]);
    const sandbox = { sandbox_id: "other" };
    for (const call of [
      () => pod.create(["true"]),
      () => pod.exec(running, ["true"]),
      () => agent.createSandbox(sandbox),
      () => agent.startContainer({ container_id: running }),
      () => agent.pauseContainer({ container_id: running }),
      () => agent.resumeContainer({ container_id: running }),
    ]) {
      await expect(call()).rejects.toMatchObject(refused);
    }
    const address = `${machine.address}_1028`;
    const process = { Args: ["true"], Env: ["PATH=/bin"], Cwd: "/" };
    await using start = await RawStreams.attach(address, { container_id: running, exec_id: "x", process });
    expect(await start.error()).toMatch(/^unavailable: attach: .* quiesced/);
    for (const type of ["copy", "forward", "forwardListen", "capture"] as const) {
      await using raw = await RawStreams.connect(address);
      raw.send(type, STREAM.process, 0, Buffer.of());
      expect(await raw.error()).toMatch(new RegExp(`^unavailable: ${type}: .* quiesced`));
    }
    await using attached = await RawStreams.attach(address, { container_id: running });
    await attached.frame("hello");
    await agent.removeContainer({ container_id: ended });
    await machine.killAgent();
    await expect(pod.exec(running, ["true"])).rejects.toMatchObject(refused);
    expect(await guest.resumed({ epoch })).toMatchObject({ epoch });
    expect([await freezerOf(running), await freezerOf(paused)]).toEqual(["0", "1"]);
    expect((await pod.execute(running, ["echo", "continues"])).stdout.toString()).toBe("continues\n");
    for (const id of [running, paused]) await pod.remove(id);
  });

  it("a higher epoch gives the guest another identity, and the next agent answers on the same connection", async () => {
    const { guest } = pod.client;
    const id = await pod.start(COUNT);
    const reading = pod.drain("readStdout", id, id, 4096);
    const waited = await pod.start(UNTIL_STOPPED);
    const waiting = pod.client.agent.waitProcess({ container_id: waited, exec_id: waited });
    const { generation } = await guest.running({});
    const { epoch, losses } = await guest.quiesce({ freeze_containers: true });
    expect(losses.map(({ kind, object }) => `${kind} ${object}`)).toContain("call WaitProcess of unix");
    const wanted = { epoch: epoch + 5, entropy, hostname: "clone-1", dns: ["nameserver 10.0.0.11"] };
    const answer = { epoch: epoch + 5, generation: generation + 1 };
    expect(await guest.resumed(wanted)).toEqual(answer);
    expect(await guest.resumed(wanted), "repeated").toEqual(answer);
    expect(await machine.shell("cat /run/guestd/epoch")).toBe(`${epoch + 5}\n`);
    expect(await machine.shell("hostname")).toBe("clone-1\n");
    expect((await pod.execute(id, ["hostname"])).stdout.toString()).toBe("clone-1\n");
    expect((await pod.run(["hostname"])).stdout.toString(), "of a new container").toBe("clone-1\n");
    expect(await machine.shell("cat /run/machine-id")).toMatch(/^[0-9a-f]{32}\n$/);
    expect(await machine.shell("cat /run/kata-containers/sandbox/resolv.conf")).toBe("nameserver 10.0.0.11\n");
    for (const each of [id, waited]) await pod.exec(each, ["touch", "/stop"]);
    const lines = (await reading).toString().trimEnd().split("\n");
    expect(lines).toEqual(Array.from(lines, (_, index) => String(index + 1)));
    expect(await waiting).toMatchObject({ status: 0 });
    for (const each of [id, waited]) await pod.remove(each);
    await expect(guest.resumed({ epoch })).rejects.toMatchObject({ kind: "failed-precondition" });
  });

  it.each([
    ["ttrpc", BEFORE_ANSWER],
    ["grpc", BEFORE_ANSWER],
    ["ttrpc", WHEN_QUIET],
  ] as const)(
    "a clone is reported by one event, has a new epoch of streams, and closes old connections (%s, %i)",
    async (protocol, replacement) => {
      const address = `${machine.address}_1028`;
      const id = await pod.start(["cat"]);
      const epochOfStreams = async () => {
        await using raw = await RawStreams.attach(address, { container_id: id });
        return hello.decode((await raw.frame("hello")).payload).epoch;
      };
      const before = await epochOfStreams();
      await using old = await machine.connect();
      await old.health.check({});
      const epoch = await clone(protocol, replacement);
      await old.closed;
      expect(await epochOfStreams()).not.toEqual(before);
      await using late = await RawStreams.attach(address, { container_id: id, epoch: before });
      expect(await late.error()).toMatch(/^not-found: attach: the guest was started again/);

      await using client = await machine.connect();
      const later = new Pod(machine, client);
      const created = await later.start(["true"]);
      const seen: GuestEvent[] = [];
      const until = { since: 1, kinds: ["guest", "container"], signal: AbortSignal.timeout(50_000) };
      for await (const event of readEvents(address, until)) {
        seen.push(event as GuestEvent);
        if (seen.at(-1)?.type === "container-created" && seen.at(-1)?.container === created) break;
      }
      expect(seen.filter((event) => event.epoch === epoch)).toHaveLength(1);
      expect(seen.at(-2)).toMatchObject({ type: "guest-resumed", epoch });
      for (const each of [id, created]) await later.remove(each);
    },
  );

  it("the saved agent answers if it may, serves as before, and is replaced without its clients' notice", async () => {
    const { guest } = pod.client;
    const id = await pod.start(COUNT);
    const reading = pod.drain("readStdout", id, id, 4096);
    const waited = await pod.start(UNTIL_STOPPED);
    const waiting = pod.client.agent.waitProcess({ container_id: waited, exec_id: waited });
    const { generation } = await guest.running({});
    const { epoch } = await guest.quiesce({ freeze_containers: true });
    const wanted = { epoch: epoch + 1, entropy, hostname: "clone-quiet", replacement: WHEN_QUIET };
    expect(await guest.resumed(wanted)).toEqual({ epoch: epoch + 1, generation });
    expect(await machine.shell("cat /run/guestd/epoch; hostname")).toBe(`${epoch + 1}\nclone-quiet\n`);
    expect((await pod.execute(id, ["hostname"])).stdout.toString()).toBe("clone-quiet\n");
    for (const each of [id, waited]) await pod.exec(each, ["touch", "/stop"]);
    const lines = (await reading).toString().trimEnd().split("\n");
    expect(lines).toEqual(Array.from(lines, (_, index) => String(index + 1)));
    expect(await waiting).toMatchObject({ status: 0 });
    const until = { since: 1, kinds: ["agent"], signal: AbortSignal.timeout(50_000) };
    for await (const event of readEvents(`${machine.address}_1028`, until)) {
      if ((event as GuestEvent).generation === generation + 1) break;
    }
    expect(await guest.resumed(wanted), "repeated").toEqual({ epoch: epoch + 1, generation: generation + 1 });
    for (const each of [id, waited]) await pod.remove(each);
  });

  it.each([BEFORE_ANSWER, WHEN_QUIET])(
    "a watcher of the epoch's file in a container, where it is a bind mount, is woken and reads the new epoch (%i)",
    async (replacement) => {
      const mount = { destination: "/epoch", source: "/run/guestd/epoch", type: "bind", options: ["bind", "ro"] };
      const id = await pod.start(["sleep", "7816"], { Mounts: [mount] });
      const pid = await pidOfArgument(machine, "781[6]");
      const inside = `/proc/${await machine.initPid()}/root/proc/${pid}/root/epoch`;
      const woken = Promise.withResolvers<string>();
      const watcher = watch(inside, () => woken.resolve(readFileSync(inside, "utf8")));
      const epoch = await clone("ttrpc", replacement);
      expect(await woken.promise).toBe(`${epoch}\n`);
      watcher.close();
      expect((await pod.execute(id, ["cat", "/epoch"])).stdout.toString()).toBe(`${epoch}\n`);
      await pod.remove(id);
    },
  );

  it("refuses bad requests in one line, which change nothing", async () => {
    const { guest } = pod.client;
    const epoch = (await epochOf(pod.client)) + 1;
    const { generation } = await guest.resumed({ epoch: epoch - 1 });
    const state = async () => {
      const record = JSON.parse(await machine.shell("cat /run/guestd/warm-start.json"));
      const { reported: _, ...rest } = record; // noted a moment after the answer
      return [rest, await machine.shell("hostname; cat /run/guestd/epoch /run/machine-id")];
    };
    const before = await state();
    for (const bad of [
      { entropy: Buffer.alloc(31) },
      { entropy: Buffer.alloc(0) },
      { entropy, machine_id: "zz" },
      { entropy, hostname: "a\nb" },
      { entropy, dns: ["a\nb"] },
      { entropy, interfaces: [{ name: "eth0", hwAddr: "zz" }] },
      { entropy, routes: [{ device: "eth0", dest: "x" }] },
      { entropy, realtime_seconds: -1 },
    ]) {
      const line = { kind: "invalid-argument", message: expect.stringMatching(/^[^\n]+$/) };
      await expect(guest.resumed({ epoch, hostname: "changed", ...bad })).rejects.toMatchObject(line);
    }
    expect(await state()).toEqual(before);
    expect((await guest.running({})).generation).toBe(generation);
  });
});

describeInNamespaces("an agent with agent.template=on", () => {
  it("refuses creations until the first Resumed with an epoch, over the agent's death too", async () => {
    await using machine = await startHostAgent({ config: 'template = "on"' });
    await using client = await machine.connect();
    const request = { sandbox_id: "pod" };
    const refused = { kind: "unavailable", message: expect.stringContaining("a template that no host has resumed") };
    await expect(client.agent.createSandbox(request)).rejects.toMatchObject(refused);
    await machine.killAgent();
    await client.guest.resumed({ epoch: 0 });
    await expect(client.agent.createSandbox(request)).rejects.toMatchObject(refused);
    await client.guest.resumed({ epoch: 1, entropy });
    const pod = await Pod.open(machine, client);
    expect((await pod.run(["echo", "warm"])).stdout.toString()).toBe("warm\n");
  });

  it("obeys a policy that denies Quiesce and Resumed", async () => {
    await using machine = await startHostAgent({ config: 'deny_calls = "Quiesce,Resumed"' });
    await using client = await machine.connect();
    await expect(client.guest.quiesce({})).rejects.toMatchObject({ kind: "permission-denied" });
    await expect(client.guest.resumed({ epoch: 1, entropy })).rejects.toMatchObject({ kind: "permission-denied" });
    expect((await client.guest.running({})).generation).toBe(1);
  });
});
