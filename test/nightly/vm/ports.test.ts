import { once } from "node:events";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dial } from "../../../host/client/dial.ts";
import { buildProbe } from "../../scenarios/build-probe.ts";
import { passfdEdgeScenarios, passfdScenarios, passfdThroughKills } from "../../scenarios/passfd.ts";
import { Pod } from "../../scenarios/pod.ts";
import { policyScenario } from "../../scenarios/policy.ts";
import { readSpans } from "../../scenarios/read-spans.ts";
import { startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { listenForGuest } from "../../vm/testing/listen-for-guest.ts";
import { selinuxLabels } from "../../vm/testing/selinux.ts";
import { streamsByLog } from "../../vm/testing/streams-by-log.ts";

const LEVELS = ["TRCE", "DEBG", "INFO", "WARN", "ERRO", "CRIT"];

const parseLine = (line: string) => JSON.parse(line) as Record<string, unknown>;

const MIB = 1 << 20;
const KERNEL_ARGS = [
  "agent.log=debug",
  "agent.default_seccomp=on",
  "agent.passfd_listener_port=1027",
  "agent.trace",
  "agent.mem_agent_enable=true",
  "agent.mem_agent_memcg_disable=true",
  "agent.mem_agent_compact_disable=true",
  "security=selinux",
];

describe("a guest's other ports and options", () => {
  let machine: Awaited<ReturnType<typeof startGuestMachine>>;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { kernelArgs: KERNEL_ARGS });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  it("the log port sends lines in the shape that hosts parse, to one reader after the other, from the start", async () => {
    for (let reader = 0; reader < 2; reader++) {
      const socket = await dial(machine.guest.address(1025));
      const [data] = (await once(socket, "data")) as [Buffer];
      socket.destroy();
      const lines = data.toString().split("\n").slice(0, -1);
      const line = lines.map(parseLine).find(({ msg }) => msg === "listening") ?? {};
      expect(line).toMatchObject({ msg: "listening", name: "guestd", source: "agent", subsystem: "agent" });
      expect(LEVELS).toContain(line["level"]);
      expect(line["ts"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    }
  });

  it("two concurrent readers of the log port get the same lines, with the agent's pid and version", async () => {
    await using client = await machine.connect();
    const { agent_version: version } = await client.health.version({});
    const pid = Number((await machine.shell("pidof node")).trim());
    const readers = await Promise.all([0, 1].map(() => logReader(machine.guest.address(1025))));
    await client.agent.listRoutes({}, { metadata: { traceparent: `00-${"1e".repeat(16)}-${"2f".repeat(8)}-01` } });
    const texts = await Promise.all(readers.map((reader) => reader.until("1e".repeat(16))));
    const [one = [], other = []] = texts.map((text) => text.split("\n").slice(0, -1));
    const line = one.find((line) => line.includes("1e".repeat(16))) ?? "{}";
    expect(parseLine(line)).toMatchObject({ level: "DEBG", name: "guestd", pid, version });
    expect(other).toContain(line);
    for (const line of [...one, ...other]) expect(parseLine(line)).toMatchObject({ pid, version });
  });

  it("each debug console is a root shell of the guest on its own pty", async () => {
    const both = await Promise.all([1, 2].map(() => machine.shell("tty; id -u; cat /proc/1/comm; sleep 1")));
    for (const text of both) expect(text).toMatch(/^\/dev\/pts\/\d+\n0\ninit\n$/);
    expect(both[0]).not.toBe(both[1]);
  });

  it("a hang-up ends a console's shell and all its processes, in foreground and background, even those that ignore SIGHUP", async () => {
    const socket = await dial(machine.guest.address(1026));
    socket.on("error", () => undefined);
    socket.resume();
    socket.write("sleep 4321 &\n(trap '' HUP; exec sleep 4322) &\n(trap '' HUP; exec sleep 4323)\n");
    const running = () => machine.shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'sleep 432[0-9]' | sort");
    await expect.poll(running).toBe("sleep 4321\nsleep 4322\nsleep 4323\n");
    socket.destroy();
    await expect.poll(running).toBe("");
    await expect.poll(() => machine.shell("pidof sh | wc -w")).toBe("1\n");
  });

  it("spans of calls arrive at the host's port", async () => {
    await using listener = await listenForGuest(machine.guest, 10_240);
    const client = await machine.connect();
    await client.health.check({}, { metadata: { traceparent: `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01` } });
    const spans = await readSpans(await listener.connection, ({ parent }) => parent === "cd".repeat(8));
    expect(spans.at(-1)).toMatchObject({ trace: "ab".repeat(16), name: "grpc.Health/Check", service: "guestd" });
    await client.close();
  });

  describe("passed stdio over vsock", () => {
    let pod: Pod;
    beforeAll(async () => {
      pod = await Pod.open(machine);
    });
    afterAll(() => pod?.client.close());
    const open = streamsByLog(() => machine.guest);
    passfdScenarios(() => pod, open);
    passfdEdgeScenarios(() => pod, open);

    it("continues after the agent was killed, without a lost or repeated byte", () =>
      passfdThroughKills(pod, open, { kills: 1, lines: 60_000 }));
  });

  it("agent.default_seccomp=on gives a container and its execs a filter that denies AF_VSOCK", async () => {
    const pod = await Pod.open(machine);
    const path = machine.rootfs("default-seccomp");
    copyFileSync(buildProbe(), `${machine.hostPath(path)}/bin/probe`);
    const id = await pod.start(["sleep", "1000"], { Root: { Path: path } });
    const exec = async (...args: string[]) => (await pod.execute(id, args)).stdout.toString();
    expect(await exec("grep", "Seccomp:", "/proc/1/status", "/proc/self/status")).toMatch(/1\/.*\t2\n.*self.*\t2\n$/);
    expect(await exec("probe", "socket,40,1", "socket,2,1", "umask")).toBe("socket 1\nsocket ok\numask ok\n");
    await pod.remove(id);
    pod.client.close();
  });

  selinuxLabels(() => machine);

  describe("the memory agent", () => {
    let client: Awaited<ReturnType<typeof machine.connect>>;
    beforeAll(async () => {
      client = await machine.connect();
    });
    afterAll(() => client?.close());
    const lruGen = () => machine.shell("cat /sys/kernel/mm/lru_gen/enabled");
    const vmstat = async (name: string) =>
      Number((await machine.shell(`grep '^${name} ' /proc/vmstat`)).trim().split(" ")[1]);

    it("reclaims memory that a container has read and not used since, also in the agent after the one that got the settings", async () => {
      expect(await lruGen()).toBe("0x0000\n");
      const pod = await Pod.open(machine, client);
      const path = machine.rootfs("cold");
      writeFileSync(`${machine.hostPath(path)}/large`, Buffer.alloc(24 * MIB, "x"));
      const id = await pod.start(["sh", "-c", "cat /large >/dev/null; sleep 1000"], { Root: { Path: path } });
      const cached = async () =>
        Number(
          (await machine.shell(`cat $(find /sys/fs/cgroup -name '*${id}*' -type d | head -1)/memory.stat`)).match(
            /^file (\d+)$/m,
          )?.[1],
        );
      await expect.poll(cached).toBeGreaterThan(20 * MIB);
      const always = {
        period_psi_percent_limit: 200,
        eviction_psi_percent_limit: 200,
        eviction_run_aging_count_min: 1,
      };
      await client.agent.memAgentMemcgSet({ disabled: false, period_secs: 3, ...always });
      expect(await lruGen()).not.toBe("0x0000\n");
      await machine.killAgent();
      expect(await cached()).toBeGreaterThan(20 * MIB);
      await expect.poll(cached).toBeLessThan(4 * MIB);
      await client.agent.memAgentMemcgSet({ disabled: true });
      // Its debugfs is mounted in no other mount namespace.
      expect(await machine.shell("cat /proc/mounts")).not.toContain("debugfs");
      await pod.remove(id);
    });

    it("makes the kernel compact memory", async () => {
      const before = await vmstat("compact_migrate_scanned");
      const always = { period_psi_percent_limit: 200, compact_psi_percent_limit: 200, compact_force_times: 0 };
      await client.agent.memAgentCompactSet({ disabled: false, period_secs: 1, ...always });
      await expect.poll(() => vmstat("compact_migrate_scanned")).toBeGreaterThan(before);
      await client.agent.memAgentCompactSet({ disabled: true });
      expect(machine.console()).not.toMatch(/memory agent|mem-agent/);
    });
  });

  it("RemoveStaleVirtiofsShareMounts unmounts only what is mounted on a directory that the host has removed", async () => {
    await using client = await machine.connect();
    await Pod.open(machine, client);
    const directory = dirname(machine.rootfs("stale"));
    const place = (name: string) => join(directory, name);
    for (const name of ["gone", "stays"]) {
      mkdirSync(machine.hostPath(place(name)));
      await machine.shell(`mount --bind /run ${place(name)}`);
    }
    rmSync(machine.hostPath(place("gone")), { recursive: true });
    // The guest's kernel caches its view of the share for a second.
    const left = async () => {
      await client.agent.removeStaleVirtiofsShareMounts({});
      const mounts = await machine.shell("cut -d' ' -f2 /proc/mounts");
      return ["gone", "stays"].filter((name) => mounts.includes(place(name)));
    };
    await expect.poll(left).toEqual(["stays"]);
    expect(await left()).toEqual(["stays"]);
    await machine.shell(`umount ${place("stays")}`);
  });

  it("a policy denies with the contract's codes and texts", async () => {
    await using client = await machine.connect();
    await policyScenario(await Pod.open(machine, client));
  });

  it("DestroySandbox powers the guest off, and QEMU exits by itself", async () => {
    const client = await machine.connect();
    await machine.guest.powerOff(() => client.agent.destroySandbox({}));
    expect(machine.guest.pids).toEqual([]);
  });
});

/** Collects lines until a whole line with a word has arrived, then closes the connection. */
async function logReader(address: string): Promise<{ until(word: string): Promise<string> }> {
  const socket = await dial(address);
  let text = "";
  socket.on("data", (data: Buffer) => (text += data.toString()));
  return {
    async until(word) {
      await expect.poll(() => text.slice(text.indexOf(word))).toMatch(new RegExp(`^${word}.*\n`));
      socket.destroy();
      return text;
    },
  };
}
