import { execFileSync } from "node:child_process";
import { existsSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { hungMount } from "../namespaces/testing/hung-mount.ts";
import { Pod } from "../scenarios/pod.ts";
import { answersThroughout } from "./testing/answers-throughout.ts";

const MIB = 1 << 20;
/** Memory that the agent may use to read a file with a limit of 1 MiB, including its other work meanwhile. */
const ROOM = 48 * MIB;
const NO_HOME = ["sh", "-c", "echo $HOME"];

describeInNamespaces("files in a container that the agent reads", () => {
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

  /** Returns a function for the growth of the agent's peak memory from now on. */
  async function memoryPeak(): Promise<() => Promise<number>> {
    const pid = await machine.agentPid();
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
    const line = `awk '/VmHWM/ { print $2 }' /proc/${pid}/status`;
    const peak = () => Number(execFileSync("/bin/sh", ["-c", line], { encoding: "utf8" })) * 1024;
    const before = peak();
    return async () => peak() - before;
  }

  const traps: readonly (readonly [string, (path: string) => void])[] = [
    ["a link to /proc/1/pagemap", (path) => symlinkSync("/proc/1/pagemap", path)],
    ["a link to /proc/self/mem", (path) => symlinkSync("/proc/self/mem", path)],
    [
      "a file of 1 TiB",
      (path) => {
        writeFileSync(path, "");
        truncateSync(path, 2 ** 40);
      },
    ],
    ["a fifo", (path) => void execFileSync("mkfifo", [path])],
  ];
  it.each(traps)(
    "neither block the agent nor fill its memory if /etc/passwd is %s: an exec gets no HOME from it, and other clients are served",
    async (_, set) => {
      const id = await pod.create(["sleep", "1000"], {}, withPasswd(machine.rootfs(`trap-${Date.now()}`), set));
      await pod.client.agent.startContainer({ container_id: id });
      const grown = await memoryPeak();
      const { stdout } = await answersThroughout(pod, () => pod.execute(id, NO_HOME));
      expect(stdout.toString()).toBe("/\n");
      expect(await grown()).toBeLessThan(ROOM);
      await pod.remove(id);
    },
  );

  it.skipIf(!existsSync("/dev/fuse"))(
    "may hang, such as /etc and /dev/pts: the container's own execs wait, and other clients are served (needs /dev/fuse)",
    async () => {
      const id = await pod.create(["sleep", "1234"], {}, machine.rootfs("hangs"));
      await pod.client.agent.startContainer({ container_id: id });
      await hungMount(machine, "/run/hangs");
      // Mounted in the container's mount namespace, where a container with CAP_SYS_ADMIN could mount it itself.
      const program = join(machine.directory, "hung-mount");
      const root = "/proc/$(pgrep -xf 'sleep 1234')/root";
      await machine.shell(
        `cp ${program} ${root}/bin/; cp -a /dev/fuse ${root}/dev/
        for place in /etc /dev/pts; do
          setsid nsenter -m -t $(pgrep -xf 'sleep 1234') /bin/hung-mount $place </dev/null >/dev/null 2>&1 &
        done
        for i in $(seq 100); do [ $(grep -c '^hung ' /proc/$(pgrep -xf 'sleep 1234')/mounts) = 2 ] && exit 0; sleep 0.05; done; exit 1`,
      );
      const ids = { container_id: id, exec_id: "hung" };
      const process = { Args: ["true"], Env: ["PATH=/bin"], Cwd: "/" };
      const hung = [false, true].map((Terminal, index) =>
        pod.client.agent.execProcess({ ...ids, exec_id: `hung-${index}`, process: { ...process, Terminal } }),
      );
      const ended = Promise.allSettled(hung);
      await answersThroughout(pod, () => sleep(1500));
      // A read of a neighbour's passwd may have to wait for a free slot, but not longer than this.
      const other = await pod.start(["sleep", "1000"]);
      expect((await pod.execute(other, NO_HOME)).status).toBe(0);
      await answersThroughout(pod, () => pod.remove(id));
      // The second exec waited too long for a slot: it continues without the file.
      expect((await ended)[0]?.status).toBe("rejected");
      // These processes are outside the container's cgroup here; inside it they would have ended with it.
      await machine.shell("kill -9 $(pidof hung-mount)");
      const home = async () => (await pod.execute(other, NO_HOME)).stdout.toString();
      await expect.poll(home).toBe("/root\n");
      await pod.remove(other);
    },
  );
});

function withPasswd(rootfs: string, set: (path: string) => void): string {
  const path = join(rootfs, "etc/passwd");
  rmSync(path, { force: true });
  set(path);
  return rootfs;
}
