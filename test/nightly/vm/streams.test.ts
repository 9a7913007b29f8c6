import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isRoot } from "../../../lib/is-root.ts";
import { randomBytesOf, randomFrom } from "../../../lib/seeded-random.ts";
import { Pod } from "../../scenarios/pod.ts";
import { expectExactly, follow } from "../../scenarios/resumed-streams.ts";
import { attachText, shellProcess } from "../../scenarios/streams.ts";
import { copiesTree } from "../../vm/testing/copied-tree.ts";
import { forwards } from "../../vm/testing/forwards.ts";
import { type GuestMachine, startGuestMachine } from "../../vm/testing/guest-machine.ts";
import { KEEP_CORES, keepsCores } from "../../vm/testing/kept-cores.ts";

describe("over vsock, and over the agent's death", () => {
  let machine: GuestMachine;
  beforeAll(async () => {
    machine = await startGuestMachine(512, { kernelArgs: ["agent.container_logs=65536", KEEP_CORES] });
  });
  afterAll(() => machine?.[Symbol.asyncDispose]());

  it("a log keeps the last output of a container, also over the container's removal", async () => {
    const pod = await Pod.open(machine);
    const container = await pod.start(["sh", "-c", "seq 1 30000; echo end >&2"]);
    await pod.client.agent.waitProcess({ container_id: container, exec_id: container });
    await machine.killAgent();
    await pod.remove(container);
    const { attachment, text } = attachText(machine.guest.address(1028), { container, observe: true });
    expect(await attachment.exit).toMatchObject({ code: 0, stdout: 168_894, stderr: 4 });
    const all = Array.from({ length: 30_000 }, (_, at) => `${at + 1}\n`).join("");
    expect(text).toEqual({ stdout: all.slice(-65_536), stderr: "end\n" });
    await pod.client.close();
  });

  it("attachments lose nothing, also by clients that leave", async () => {
    const random = randomFrom(1);
    const pod = await Pod.open(machine);
    const container = await pod.start(["sleep", "1000"]);
    const input = randomBytesOf(random, 200_000);
    const typed = randomBytesOf(random, 40_000);
    const raw = `stty raw -echo; echo ready; head -c ${typed.length}`;
    const each = { address: machine.guest.address(1028), random, successors: 0.1 };
    const [cat, tty] = await Promise.all([
      follow({ ...each, input, request: { container, exec: "cat", process: shellProcess("cat") } }),
      follow({
        ...{ ...each, input: typed, ready: 6 },
        request: { container, exec: "tty", process: shellProcess(raw, { Terminal: true }) },
      }),
      machine.killAgent(),
    ]);
    expectExactly(cat, input);
    expectExactly(tty, Buffer.concat([Buffer.from("ready\n"), typed]));
    expect([cat.code, tty.code]).toEqual([0, 0]);
    await pod.remove(container);
    await pod.client.close();
  });

  const CANNOT = isRoot() ? "" : " (skipped: only root can give files away)";
  it.skipIf(!isRoot())(`a tree goes into a container and comes back${CANNOT}`, () => copiesTree(machine));

  it("forwards end each direction by itself, and lose nothing", () => forwards(machine));

  it("core dumps are kept, within limits that containers can't evade", () => keepsCores(machine));
});
