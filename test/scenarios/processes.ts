import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Pod } from "./pod.ts";

const KILL = 9;
/** The kernel's limit for one argument or variable, including its terminating NUL (MAX_ARG_STRLEN). */
const LONGEST = 128 * 1024;

/** Scenarios of difficult processes: hostile, late, many. */
export function processScenarios(pod: () => Pod): void {
  const agent = () => pod().client.agent;
  const sleeper = () => pod().start(["sleep", "1000"]);

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
