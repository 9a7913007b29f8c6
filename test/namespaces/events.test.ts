import { afterAll, beforeAll, expect, it } from "vitest";
import { readEvents } from "../../host/client/streams/events.ts";
import type { GuestEvent } from "../../host/client/streams/guest-event.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startGuestctl } from "../scenarios/guestctl-process.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("events", () => {
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
  const short = ({ type, exec, code }: GuestEvent) => [type, ...(exec === "" ? [] : [exec]), code];

  /** Reads the events of a container until one of the given type. */
  async function eventsUntil(type: string, container: string): Promise<GuestEvent[]> {
    const seen: GuestEvent[] = [];
    for await (const event of readEvents(address(), { since: 1, container, signal: AbortSignal.timeout(50_000) })) {
      seen.push(event as GuestEvent);
      if (event.type === type) return seen;
    }
    throw new Error("the events have ended");
  }

  it("report a container's life and its execs in order, with their exit codes", async () => {
    const id = await pod.start(["sh", "-c", "read line; exit 3"]);
    const exec = await pod.exec(id, ["sh", "-c", "exit 4"]);
    await pod.finish(id, exec);
    await pod.client.agent.closeStdin({ container_id: id, exec_id: id });
    await pod.finish(id, id);
    await pod.remove(id);
    const events = await eventsUntil("container-removed", id);
    expect(events.map(short)).toEqual([
      ["container-created", 0],
      ["container-started", 0],
      ["exec-started", exec, 0],
      ["exec-exited", exec, 4],
      ["container-exited", 3],
      ["container-removed", 0],
    ]);
    const numbers = events.map(({ number }) => number);
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
  });

  it("reach a client over the agent's death, each once, with what happened while no agent ran", async () => {
    const id = await pod.start(["sh", "-c", "while [ ! -e /go ]; do sleep 0.05; done; exit 5"]);
    await eventsUntil("container-started", id);
    const seen: GuestEvent[] = [];
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const reading = (async () => {
      for await (const event of readEvents(address(), { since: 1, signal: AbortSignal.timeout(50_000) })) {
        const each = event as GuestEvent;
        if (each.container === id || each.type === "agent-restarted") seen.push(each);
        if (each.type === "container-started" && each.container === id) resolve();
        if (each.type === "container-exited" && each.container === id) return;
      }
    })();
    await begun;
    const pid = await machine.agentPid();
    process.kill(pid, "SIGSTOP");
    await machine.shell(`touch /proc/$(pgrep -o -f 'exit [5]')/root/go`);
    await expect.poll(() => machine.shell("pgrep -f 'exit [5]' | wc -l")).toBe("0\n");
    await machine.killAgent();
    await reading;
    expect(seen.map(short)).toEqual([
      ["container-created", 0],
      ["container-started", 0],
      ["agent-restarted", 0],
      ["container-exited", 5],
    ]);
    expect(seen[2]?.generation).toBe(2);
    await pod.client.close();
    pod = await Pod.open(machine);
    await machine.killAgent();
    await pod.client.close();
    pod = await Pod.open(machine);
    await pod.remove(id);
    const types = (await eventsUntil("container-removed", id)).map(({ type }) => type);
    expect(types).toEqual(["container-created", "container-started", "container-exited", "container-removed"]);
  });

  it("are printed by guestctl, filtered by kind, as text or JSON", async () => {
    const id = await pod.start(["sleep", "1000"]);
    const events = async (...flags: string[]) => {
      const running = startGuestctl(["events", "--address", machine.address, "--no-follow", ...flags]);
      return [await running.ended, running.output.stderr, running.output.stdout.toString()] as const;
    };
    await eventsUntil("container-started", id);
    const [code, stderr, stdout] = await events("--filter", "kind=container", "--filter", `container=${id}`);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(new RegExp(`^\\d+ \\S+Z container created ${id}\\n\\d+ \\S+Z container started ${id}\\n$`));
    const [, , json] = await events("--json", "--filter", "kind=agent");
    const restarts = json
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(restarts).toMatchObject([{ kind: "agent", action: "restarted", generation: 2 }, { generation: 3 }]);
    expect(await events("--filter", "kind=none")).toEqual([
      1,
      'guestctl: events: "none" is no kind of event; known are container, exec, oom, agent, core, guest\n',
      "",
    ]);
    await pod.remove(id);
  });
});
