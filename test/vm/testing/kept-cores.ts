import { expect } from "vitest";
import { type CoreDump, listCores, readCore } from "../../../host/client/streams/cores.ts";
import { readEvents } from "../../../host/client/streams/events.ts";
import type { GuestEvent } from "../../../host/client/streams/guest-event.ts";
import { Pod } from "../../scenarios/pod.ts";
import type { GuestMachine } from "./guest-machine.ts";

const MIB = 2 ** 20;
/** Word of the kernel command line that the guest needs. */
export const KEEP_CORES = `agent.core_dumps=${16 * MIB}`;
const [SIGABRT, SIGSEGV] = [6, 11];

/** Expects a guest to keep core dumps over the agent's death, within limits that containers can't evade. */
export async function keepsCores(machine: GuestMachine): Promise<void> {
  const pod = await Pod.open(machine);
  const address = machine.guest.address(1028);
  const list = () => listCores(pod.client);
  await list();
  const pattern = "|/usr/lib/guestd/keep-core /run/guestd/cores/new 4194304 10 16 %P %p %s %u %g %t %e\n";
  expect(await machine.shell("cat /proc/sys/kernel/core_pattern /proc/sys/kernel/core_pipe_limit")).toBe(
    `${pattern}16\n`,
  );

  // The usual RLIMIT_CORE of 0 is for files: the kernel doesn't apply it to a handler.
  const limits = { Rlimits: [{ Type: "RLIMIT_CORE", Hard: 0, Soft: 0 }] };
  const id = await pod.start(["sleep", "1000"]);
  const crashed = await pod.execute(id, ["sh", "-c", "kill -SEGV $$"], limits);
  expect(crashed.status).toBe(128 + SIGSEGV);
  const never = { Rlimits: [{ Type: "RLIMIT_CORE", Hard: 1, Soft: 1 }] };
  expect((await pod.execute(id, ["sh", "-c", "kill -SEGV $$"], never)).status).toBe(128 + SIGSEGV);
  // A child of an exec, and the exec itself with 6 MB of memory, which is over the limit.
  const large = "x=$(head -c 6000000 /dev/zero | tr '\\0' x); sh -c 'kill -ABRT $$'; echo; kill -ABRT $$";
  const big = await pod.exec(id, ["sh", "-c", large]);
  expect((await pod.finish(id, big)).status).toBe(128 + SIGABRT);
  await expect.poll(async () => (await list()).length).toBe(3);
  await machine.killAgent();

  const cores = await list();
  const [first, child, cut] = cores as [CoreDump, CoreDump, CoreDump];
  expect(first).toMatchObject({ id: 1, container: id, signal: SIGSEGV, command: "sh", cut: "" });
  expect(child).toMatchObject({ id: 2, container: id, exec: "", signal: SIGABRT });
  expect(cut).toMatchObject({ id: 3, container: id, exec: big, signal: SIGABRT, size: 4 * MIB, cut: "limit" });
  for (const { id: core, size, ownPid } of cores) {
    const bytes = Buffer.concat(await Array.fromAsync(readCore(address, core)));
    expect(bytes.length).toBe(size);
    // An ELF file of type ET_CORE.
    expect([bytes.toString("latin1", 0, 4), bytes.readUInt16LE(16)]).toEqual(["\x7fELF", 4]);
    expect(ownPid).toBeLessThan(100);
  }
  const events: GuestEvent[] = [];
  for await (const event of readEvents(address, { since: 1, kinds: ["core"], end: true }))
    events.push(event as GuestEvent);
  expect(events.map(({ container, core }) => [container, core?.id, core?.cut])).toEqual([
    [id, 1, ""],
    [id, 2, child.cut],
    [id, 3, "limit"],
  ]);
  await pod.remove(id);
  await pod.client.close();
}
