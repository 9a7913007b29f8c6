import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { ociSpec } from "../scenarios/oci.ts";
import { Pod } from "../scenarios/pod.ts";
import { startHostAgent } from "./testing/host-agent.ts";

/** Number of calls; GUESTD_RANDOM_CALLS=100000 runs longer. */
const CALLS = Number(process.env["GUESTD_RANDOM_CALLS"] ?? 3000);
const AT_ONCE = 24;
const CONTAINERS = ["one", "two", "three"];
const CONTAINER = new RegExp(`\\b(${CONTAINERS.join("|")})\\b`, "g");
const EXECS = ["", "own", "a", "b", "c", "d"];
const SIGNALS = [1, 9, 9, 15, 17, 18, 19, 34, 64];
const LINES = [
  "exit 3",
  "sleep 1000",
  "echo out; echo err >&2; sleep 0.01",
  "cat",
  "sleep 1000 & exit 4",
  "yes & exit 5",
];

/** Every error with which a call may fail, with the ids replaced. */
const KNOWN = [
  /^[a-zA-Z]+: 4 /, // its own deadline
  /^(exec|start|write): 13 (write stdin: )?Invalid container id: there is no container "ID"$/,
  /^\w+: 3 invalid container id: there is no container "ID"$/,
  /^remove: 5 remove container: Invalid container id "ID"$/,
  /^create: 6 create container ID: the id already exists$/,
  /^(exec|start|pause|resume|update): 13 container ID is being removed$/,
  /^exec: 13 exec in container ID: (it is paused; resume it first|its init process has ended)$/,
  /^exec: 13 exec process: the exec id "\w*" already exists$/,
  /^start: 13 start container ID: (it is paused; resume it first|its init process has ended|it was started already)$/,
  /^(pause|resume): 13 failed to \w+ container ID: current status is: (Created|Running|Paused|Stopped)$/,
  /^(\w+: 5|write: 13 write stdin:) process not found: no exec "\w*" in container ID$/,
  /^(\w+: 5|write: 13 write stdin:) process not found: "\w+" \((it was waited for( and its output was read)?|ESRCH: No such process)\)$/,
  /^resize: 14 resize of \w+: it has no tty$/,
  /^std(out|err): 5 read: the process was removed$/,
  /^write: 13 write to stdin: (it is closed|EPIPE \(the process no longer reads it\))$/,
];

describeInNamespaces("calls in random order, many at once", () => {
  it(`are each answered with a known line, and leave nothing behind (${CALLS})`, async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const second = await machine.connect({ protocol: "grpc" });
    const rootfs = machine.rootfs("all");
    await pod.run(["true"], { Root: { Path: rootfs } });
    const traces = () => machine.shell("ls /run/guestd/containers; find /sys/fs/cgroup -type d; ls /proc/1/fd | wc -l");
    const before = await traces();
    const random = randomFrom(7);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    const results = new Map<string, number>();
    const call = async () => {
      const { agent } = random() < 0.5 ? pod.client : second;
      const container_id = pick(CONTAINERS);
      const name = pick(EXECS);
      const ids = { container_id, exec_id: name === "own" ? container_id : name };
      const late = { timeoutMs: 20 + Math.floor(random() * 200) };
      const Terminal = random() < 0.3;
      const calls: Record<string, () => Promise<unknown>> = {
        create: () => agent.createContainer({ container_id, OCI: ociSpec(rootfs, ["sh", "-c", pick(LINES)]) }),
        start: () => agent.startContainer({ container_id }),
        exec: () =>
          agent.execProcess({
            ...ids,
            process: { Args: ["sh", "-c", pick(LINES)], Env: ["PATH=/bin"], Cwd: "/", Terminal },
          }),
        wait: () => agent.waitProcess(ids, late),
        stdout: () => agent.readStdout({ ...ids, len: 1 + Math.floor(random() * 9000) }, late),
        stderr: () => agent.readStderr({ ...ids, len: 100 }, late),
        write: () => agent.writeStdin({ ...ids, data: Buffer.alloc(Math.floor(random() * 100_000), "x\n") }, late),
        close: () => agent.closeStdin(ids, late),
        resize: () => agent.ttyWinResize({ ...ids, row: 10, column: 20 }),
        signal: () => agent.signalProcess({ ...ids, signal: pick(SIGNALS) }),
        pause: () => agent.pauseContainer({ container_id }, late),
        resume: () => agent.resumeContainer({ container_id }),
        update: () => agent.updateContainer({ container_id, resources: { Devices: [{ Type: "a", Access: "rwm" }] } }),
        stats: () => agent.statsContainer({ container_id }),
        remove: () => agent.removeContainer({ container_id }),
      };
      const often = ["exec", "exec", "exec", "wait", "wait", "stdout", "stdout", "create", "start", "signal", "signal"];
      const what = pick([...Object.keys(calls), ...often]);
      try {
        await calls[what]?.();
        count(results, `${what}: ok`);
      } catch (error) {
        const { code, message } = error as { code: number; message: string };
        count(results, `${what}: ${code} ${message.replaceAll(CONTAINER, "ID")}`);
      }
    };
    let left = CALLS;
    const one = async () => {
      while (left-- > 0) await call();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    const unknown = [...results.keys()].filter(
      (line) => !line.endsWith(": ok") && !KNOWN.some((known) => known.test(line)),
    );
    expect(unknown).toEqual([]);
    for (const what of ["exec", "wait", "stdout", "start", "create", "signal", "remove"]) {
      expect(results.get(`${what}: ok`), what).toBeGreaterThan(0);
    }
    expect((await pod.client.health.check({})).status).toBe(1);
    for (const container_id of CONTAINERS)
      await pod.client.agent.removeContainer({ container_id }).catch(() => undefined);
    await expect.poll(traces).toBe(before);
    await second.close();
    await pod.client.close();
  }, 120_000);
});

function count(into: Map<string, number>, line: string): void {
  into.set(line, (into.get(line) ?? 0) + 1);
}

/** Returns a generator of random numbers (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
