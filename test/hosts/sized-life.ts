import { expect } from "vitest";
import type { Machine } from "../scenarios/machine.ts";
import { type HostKind, hostSpec } from "./host-spec.ts";
import type { GrownMachine, KataHost } from "./kata-host.ts";

const MIB = 1 << 20;
const EAT = "x=0123456789abcdef; while :; do x=$x$x; done";

/**
 * Runs a container that exceeds its memory limit: the host is notified once, even if it removes the container
 * immediately.
 */
export async function hungryContainer(machine: Machine, kind: HostKind, host: KataHost): Promise<void> {
  const id = "hungry";
  const before = host.oomEvents.length;
  const linux = { Resources: { Memory: { Limit: 24 * MIB, Swap: 24 * MIB } } };
  const spec = hostSpec(kind, { id, rootfs: machine.rootfs(id), args: ["/bin/sh", "-c", EAT], limits: true, linux });
  await host.create({ id, spec });
  const init = await host.start(id);
  expect((await init.ended).status).toBe(137);
  await expect.poll(() => host.oomEvents.slice(before)).toEqual([id]);
  await host.stop(id);
  expect(host.oomEvents.slice(before)).toEqual([id]);
}

/** Runs the first container after `plug` has added resources: the host reports them, and all become available. */
export async function grownContainer(
  machine: Machine,
  kind: HostKind,
  host: KataHost,
  grown: GrownMachine,
  plug: (grown: GrownMachine) => Promise<void>,
): Promise<void> {
  const id = "grown";
  const args = ["/bin/sleep", "1000"];
  const memoryMib = async () => Number(/MemTotal: +(\d+)/.exec(await machine.shell("cat /proc/meminfo"))?.[1]) / 1024;
  const before = await memoryMib();
  await plug(grown);
  const spec = hostSpec(kind, { id, rootfs: machine.rootfs(id), args, limits: machine.real });
  await host.create({ id, spec, grown });
  const init = await host.start(id);
  const count = async () =>
    (await (await host.exec(id, { args: ["/bin/grep", "-c", "^processor", "/proc/cpuinfo"] })).ended).stdout.toString();
  await expect.poll(count).toBe(`${grown.total}\n`);
  // The kernel's page structures take a part of it.
  await expect.poll(memoryMib).toBeGreaterThan(before + grown.mib * 0.9);
  await host.kill(id, 9);
  expect((await init.ended).status).toBe(137);
  await host.stop(id);
}

/**
 * Runs a container of a host without a shared file system, which requests the container's last message before removing
 * it.
 */
export async function lastMessage(machine: Machine, kind: HostKind, host: KataHost): Promise<void> {
  const id = "last-words";
  const args = ["/bin/sh", "-c", "echo out of beans >/message; exit 3"];
  const spec = hostSpec(kind, { id, rootfs: machine.rootfs(id), args, limits: machine.real });
  const Annotations = { ...spec.Annotations, "io.kubernetes.container.terminationMessagePath": "/message" };
  await host.create({ id, spec: { ...spec, Annotations }, lastMessage: true });
  const init = await host.start(id);
  expect((await init.ended).status).toBe(3);
  await host.stop(id);
  expect(host.lastMessages.get(id)).toBe("out of beans\n");
}
