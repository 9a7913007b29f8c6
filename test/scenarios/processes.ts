import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Pod } from "./pod.ts";

const CONT = 18;
const STOP = 19;
const TERM = 15;
const KILL = 9;
const USR2 = 12;
/** The kernel's limit for one argument or variable, including its terminating NUL (MAX_ARG_STRLEN). */
const LONGEST = 128 * 1024;

/** Scenarios of difficult processes: hostile, late, many. */
export function processScenarios(pod: () => Pod): void {
  const agent = () => pod().client.agent;
  const sleeper = () => pod().start(["sleep", "1000"]);
  const count = (text: string) => pod().machine.shell(`ps -o args | grep -c '${text}' || true`);

  it("an exec runs in a container that was created but not started, and fails in one that has ended", async () => {
    const id = await pod().create(["sh", "-c", "exit 4"]);
    expect((await pod().execute(id, ["echo", "early"])).stdout.toString()).toBe("early\n");
    await agent().startContainer({ container_id: id });
    expect((await pod().finish(id, id)).status).toBe(4);
    await expect(pod().exec(id, ["true"])).rejects.toMatchObject({
      code: 13,
      message: `exec in container ${id}: its init process has ended`,
    });
    await expect(agent().startContainer({ container_id: id })).rejects.toMatchObject({
      code: 13,
      message: `start container ${id}: it was started already`,
    });
    await pod().remove(id);
    await expect(pod().exec(id, ["true"])).rejects.toMatchObject({ code: 13, message: /Invalid container id/ });
  });

  it("an exec into a paused container is refused in one line", async () => {
    const id = await sleeper();
    await agent().pauseContainer({ container_id: id });
    await expect(pod().exec(id, ["true"])).rejects.toMatchObject({ message: expect.stringMatching(/paused/) });
    await pod().remove(id);
  });

  it("an exec into a dying container runs or is refused in one line", async () => {
    const rootfs = pod().machine.rootfs(`dying-${Date.now().toString(36)}`);
    for (let round = 0; round < 8; round++) {
      const id = await pod().create(["sleep", "1000"], {}, rootfs);
      await agent().startContainer({ container_id: id });
      const exec = pod().exec(id, ["true"]);
      const killed = sleep(round % 4).then(() =>
        agent().signalProcess({ container_id: id, exec_id: "", signal: KILL }),
      );
      const late = killed.then(() => pod().exec(id, ["true"]));
      for (const result of await Promise.allSettled([exec, late])) {
        if (result.status === "fulfilled") continue;
        expect(result.reason.code, result.reason.message).toBe(13);
        expect(result.reason.message).toBe(`exec in container ${id}: its init process has ended`);
      }
      await killed;
      expect((await pod().finish(id, id)).status).toBe(137);
      await pod().remove(id);
    }
  });

  it("an exec has its own user, capabilities, limits, directory and terminal", async () => {
    const id = await sleeper();
    const Capabilities = { Bounding: ["CAP_KILL"], Effective: [], Permitted: [], Inheritable: [], Ambient: [] };
    const line = "id -u; ulimit -n; grep -E '^Cap(Eff|Bnd)' /proc/self/status; pwd; tty; exit 5";
    const exec_id = await pod().exec(id, ["sh", "-c", line], {
      User: { UID: 1000, GID: 100 },
      Capabilities,
      Rlimits: [{ Type: "RLIMIT_NOFILE", Soft: 77, Hard: 88 }],
      Terminal: true,
      Cwd: "/tmp",
    });
    const text = (await pod().drain("readStdout", id, exec_id)).toString().replaceAll("\r", "");
    expect(text).toBe("1000\n77\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000020\n/tmp\n/dev/pts/0\n");
    expect((await agent().waitProcess({ container_id: id, exec_id })).status).toBe(5);
    await pod().remove(id);
  });

  it.each([
    [3, "SIGQUIT, which dumps core"],
    [11, "a fault"],
    [TERM, "asked to"],
    [34, "a real-time signal"],
  ])("an exec that dies of signal %i (%s) has 128 plus the signal as its status", async (signal) => {
    const id = await sleeper();
    const exec_id = await pod().exec(id, ["sleep", "1000"]);
    await agent().signalProcess({ container_id: id, exec_id, signal });
    expect((await pod().finish(id, exec_id)).status).toBe(128 + signal);
    await pod().remove(id);
  });

  it("a signal reaches its exec and no other", async () => {
    const id = await sleeper();
    const handler = (name: string) => [
      "sh",
      "-c",
      `trap 'echo ${name}; exit 3' TERM USR1; trap 'echo here' USR2; echo ready; while :; do sleep 0.05; done`,
    ];
    const [one, two] = [await pod().exec(id, handler("one")), await pod().exec(id, handler("two"))];
    for (const exec_id of [one, two]) await agent().readStdout({ container_id: id, exec_id, len: 6 });
    await agent().signalProcess({ container_id: id, exec_id: one, signal: TERM });
    expect(await pod().finish(id, one)).toMatchObject({ status: 3 });
    // A shell that had received TERM as well could answer once at most.
    for (let asked = 0; asked < 2; asked++) {
      await agent().signalProcess({ container_id: id, exec_id: two, signal: USR2 });
      const { data } = await agent().readStdout({ container_id: id, exec_id: two, len: 5 });
      expect(Buffer.from(data).toString()).toBe("here\n");
    }
    await agent().signalProcess({ container_id: id, exec_id: two, signal: KILL });
    expect(await pod().finish(id, two)).toMatchObject({ status: 137 });
    await expect(agent().signalProcess({ container_id: id, exec_id: "", signal: 65 })).rejects.toMatchObject({
      code: 3,
      message: "signal process: 65 is no signal (0 to 64)",
    });
    await pod().remove(id);
  });

  it("signal 0 checks that the process exists and does nothing to it", async () => {
    const container_id = await sleeper();
    const exec_id = await pod().exec(container_id, ["sh", "-c", "read line; exit 3"]);
    const ask = (exec: string) => agent().signalProcess({ container_id, exec_id: exec, signal: 0 });
    for (const exec of ["", container_id, exec_id]) await ask(exec);
    await agent().writeStdin({ container_id, exec_id, data: Buffer.from("\n") });
    expect(await pod().finish(container_id, exec_id)).toMatchObject({ status: 3 });
    await expect(ask(exec_id)).rejects.toMatchObject({ kind: "not-found" });
    await expect(ask("nobody")).rejects.toMatchObject({ kind: "not-found" });
    await ask("");
    await pod().remove(container_id);
  });

  it("a stopped exec continues where it was", async () => {
    const id = await sleeper();
    const exec_id = await pod().exec(id, ["sh", "-c", "while :; do echo tick; sleep 0.02; done"]);
    const read = (timeoutMs: number) => agent().readStdout({ container_id: id, exec_id, len: 65_536 }, { timeoutMs });
    await read(5000);
    await agent().signalProcess({ container_id: id, exec_id, signal: STOP });
    await sleep(200);
    await read(200).catch(() => undefined); // reads what it had written before
    await expect(read(300)).rejects.toMatchObject({ kind: "deadline-exceeded" });
    await agent().signalProcess({ container_id: id, exec_id, signal: CONT });
    expect((await read(5000)).data.length).toBeGreaterThan(0);
    await pod().remove(id);
  });

  it("processes that ignore SIGTERM live until they are killed", async () => {
    const deaf = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"];
    const id = await pod().start(deaf);
    const exec = await pod().exec(id, deaf);
    for (const exec_id of [id, exec]) {
      await agent().readStdout({ container_id: id, exec_id, len: 6 });
      await agent().signalProcess({ container_id: id, exec_id, signal: TERM });
      const wait = agent().waitProcess({ container_id: id, exec_id }, { timeoutMs: 300 });
      await expect(wait).rejects.toMatchObject({ kind: "deadline-exceeded" });
    }
    await pod().remove(id);
  });

  it("a thousand waiters for one process all get its status, and later ones too until it is removed", async () => {
    const id = await sleeper();
    const exec_id = await pod().exec(id, ["sh", "-c", "read x; exit 6"]);
    const wait = () => agent().waitProcess({ container_id: id, exec_id });
    const waiting = Array.from({ length: 1000 }, wait);
    await agent().writeStdin({ container_id: id, exec_id, data: Buffer.from("\n") });
    expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([6]));
    expect((await wait()).status).toBe(6);
    await agent().signalProcess({ container_id: id, exec_id: "", signal: KILL });
    expect((await agent().waitProcess({ container_id: id, exec_id: id })).status).toBe(137);
    expect((await wait()).status).toBe(6);
    await pod().remove(id);
    await expect(wait()).rejects.toMatchObject({ code: 3 });
  });

  it("fifty grandchildren that hold the pipes do not delay the end", async () => {
    const id = await sleeper();
    const line = "i=0; while [ $i -lt 50 ]; do sleep 761 & i=$((i+1)); done; echo made; exit 2";
    const exec_id = await pod().exec(id, ["sh", "-c", line]);
    expect((await agent().readStdout({ container_id: id, exec_id, len: 100 })).data.toString()).toBeDefined();
    expect((await pod().finish(id, exec_id)).status).toBe(2);
    expect(Number(await count("[s]leep 761"))).toBe(50);
    await pod().remove(id);
    expect(await count("[s]leep 761")).toBe("0\n");
  });

  it("a process that closes its output early ends its streams, and can be waited for all the same", async () => {
    const id = await sleeper();
    const exec_id = await pod().exec(id, ["sh", "-c", "echo last; exec >&- 2>&-; read x; exit 8"]);
    expect((await pod().drain("readStdout", id, exec_id)).toString()).toBe("last\n");
    expect((await pod().drain("readStderr", id, exec_id)).toString()).toBe("");
    await agent().writeStdin({ container_id: id, exec_id, data: Buffer.from("\n") });
    expect((await agent().waitProcess({ container_id: id, exec_id })).status).toBe(8);
    await pod().remove(id);
  });

  it("arguments and environment may be as long as the kernel allows, and no longer", async () => {
    const id = await sleeper();
    const most = "x".repeat(LONGEST - 1);
    const line = "printf %s $1 | wc -c; echo $#; env | wc -c";
    const many = Array.from({ length: 12 }, (_, index) => `V${index}=${"y".repeat(LONGEST - 5)}`);
    const long = await pod().execute(id, ["sh", "-c", line, "sh", most, most], { Env: ["PATH=/bin", ...many] });
    const [one = 0, number = 0, all = 0] = long.stdout.toString().trim().split("\n").map(Number);
    expect([one, number]).toEqual([LONGEST - 1, 2]);
    expect(all).toBeGreaterThan(12 * (LONGEST - 5));
    const tooLong = pod().exec(id, ["true", `${most}x`]);
    await expect(tooLong).rejects.toMatchObject({ code: 13, message: expect.stringMatching(/^execve true: E2BIG/) });
    const tooMany = pod().exec(id, ["true", ...new Array(20).fill(most)]);
    await expect(tooMany).rejects.toMatchObject({ code: 13, message: expect.stringMatching(/^execve true: E2BIG/) });
    await pod().remove(id);
  });

  it("twenty containers whose init exits at once all report their status and are removed", async () => {
    const rootfs = pod().machine.rootfs(`short-${Date.now().toString(36)}`);
    const codes = Array.from({ length: 20 }, (_, code) => code);
    const run = async (code: number) => {
      const id = await pod().create(["sh", "-c", `exit ${code}`], {}, rootfs);
      await agent().startContainer({ container_id: id });
      const { status } = await pod().finish(id, id);
      await pod().remove(id);
      return status;
    };
    expect(await Promise.all(codes.map(run))).toEqual(codes);
  });

  it("RemoveContainer ends reads, waits and execs in progress", async () => {
    const rootfs = pod().machine.rootfs(`going-${Date.now().toString(36)}`);
    for (let round = 0; round < 5; round++) {
      const id = await pod().create(["sleep", "1000"], {}, rootfs);
      await agent().startContainer({ container_id: id });
      const exec_id = await pod().exec(id, ["sleep", "1000"]);
      const ids = { container_id: id, exec_id };
      const open = [
        agent().readStdout({ ...ids, len: 100 }),
        agent().readStderr({ container_id: id, exec_id: "", len: 100 }),
        agent().waitProcess(ids),
      ];
      const execs = Array.from({ length: 8 }, () => pod().exec(id, ["sleep", "1000"]));
      const settled = Promise.allSettled([...open, ...execs]);
      await sleep(round * 2);
      await pod().remove(id);
      for (const result of await settled) {
        if (result.status === "rejected") expect(result.reason.message).toMatch(/^[^\n]+$/);
      }
      await expect(agent().waitProcess(ids)).rejects.toMatchObject({ code: 3 });
    }
  });

  it("a RemoveContainer that times out says so, continues, and can be called again", async () => {
    const directory = pod().machine.rootfs(`late-${Date.now().toString(36)}`);
    const [Path, go] = [`${directory}/bin/busybox`, `${directory}/go`];
    const Args = ["sh", "-c", `until [ -e ${go} ]; do ${Path} sleep 0.05; done`];
    const id = await pod().create(["true"], { Hooks: { Poststop: [{ Path, Args }] } });
    await expect(agent().removeContainer({ container_id: id, timeout: 1 })).rejects.toMatchObject({
      code: 13,
      message: `remove container ${id}: ETIME (not ended within 1 s)`,
    });
    const again = agent().removeContainer({ container_id: id });
    await pod().client.health.check({}); // calls of a connection begin in order
    await pod().machine.shell(`touch ${go}`);
    await again;
    await expect(agent().removeContainer({ container_id: id })).rejects.toMatchObject({ code: 5 });
  });

  it("a storm of orphans leaves no zombies, and the agent responds meanwhile", async () => {
    const orphans = pod().machine.real ? 60 : 2000;
    // The first process of a pid namespace inherits its orphans.
    const id = await pod().start(["sh", "-c", "while :; do wait; sleep 0.05; done"]);
    const zombies = () => pod().machine.shell("grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l");
    const before = Number(await zombies());
    const line = `i=0; while [ $i -lt ${orphans} ]; do (sleep 0.1 &); i=$((i+1)); done; exit 7`;
    const exec_id = await pod().exec(id, ["sh", "-c", line]);
    let ended = false;
    const done = pod()
      .finish(id, exec_id)
      .finally(() => {
        ended = true;
      });
    let answers = 0;
    for (; !ended; answers++) {
      await pod().client.health.check({});
      await sleep(20);
    }
    expect((await done).status).toBe(7);
    expect(answers).toBeGreaterThan(1);
    await pod().remove(id);
    await expect.poll(async () => Number(await zombies()), { interval: 200 }).toBeLessThanOrEqual(before);
  });
}
