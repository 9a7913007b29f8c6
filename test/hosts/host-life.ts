import { expect } from "vitest";
import type { grpc } from "../../proto/gen/messages.js";
import { shareFolder } from "../recordings/share-folder.ts";
import type { Machine } from "../scenarios/machine.ts";
import { addInterface } from "./add-interface.ts";
import { type HostKind, hostSpec } from "./host-spec.ts";
import type { HostOptions, KataHost, MakeHost } from "./kata-host.ts";

const CHECK_EVERY_MS = 200;
const SLEEP = ["/bin/sleep", "1000"];
const SHARED = "/run/kata-containers/shared/containers";
const SHARE = {
  driver: "virtio-fs",
  source: "kataShared",
  fstype: "virtiofs",
  options: ["nodev"],
  mount_point: `${SHARED}/`,
};

/** MAC address of the machine's network card for these hosts. */
export const MAC = "f6:f9:31:f4:cd:d3";
const DNS = ["search pods.example", "nameserver 10.99.0.53"];
const NETWORK = {
  interface: {
    interface: {
      device: "eth0",
      name: "eth0",
      IPAddresses: [{ address: "10.99.0.2", mask: "24" }],
      mtu: 1400,
      hwAddr: MAC,
      type: "veth",
    },
  },
  routes: { routes: { Routes: [{ gateway: "10.99.0.1", device: "eth0" }] } },
  neighbors: {
    neighbors: {
      ARPNeighbors: [
        { toIPAddress: { address: "10.99.0.77" }, device: "eth0", lladdr: "02:00:00:00:00:77", state: 128 },
      ],
    },
  },
};

/** Opens a host's sandbox on a machine that has none yet; a guest already has a card with `MAC`. */
export async function openHost(machine: Machine, make: MakeHost, options: HostOptions = {}): Promise<KataHost> {
  const host = make(await machine.connect(), { checkEveryMs: CHECK_EVERY_MS, slowReader: true, ...options });
  if (!machine.real) await addInterface(machine, MAC);
  const { storages } = machine;
  await host.openSandbox({ id: "sandbox", hostname: "pod-of-host", storages, dns: DNS, network: NETWORK });
  const places = "/run/kata-containers/sandbox/resolv.conf /etc/resolv.conf";
  expect(await machine.shell(`cat ${places}`)).toBe(`${DNS.join("\n")}\n`.repeat(2));
  expect(await machine.shell("ip neigh show dev eth0")).toMatch(/^10\.99\.0\.77 lladdr 02:00:00:00:00:77 .*PERMANENT/m);
  return host;
}

/** Runs one container through `ctr run -d`, some execs, pause, resume, update, metrics, kill and rm. */
export async function oneContainer(machine: Machine, kind: HostKind, host: KataHost): Promise<void> {
  const id = "single";
  const limits = machine.real;
  const rootfs = machine.rootfs(kind === "runtime-rs" ? `passthrough/${id}` : id);
  await host.create({ id, spec: hostSpec(kind, { id, rootfs, args: ["/bin/sleep", "1000"], limits }) });
  const init = await host.start(id);

  const echo = await host.exec(id, { args: ["/bin/echo", "exec-1"] });
  expect(await echo.ended).toMatchObject({ stdout: Buffer.from("exec-1\n"), status: 0 });
  const failing = await host.exec(id, { args: ["/bin/sh", "-c", "echo oh >&2; exit 7"] });
  expect(await failing.ended).toMatchObject({ stderr: Buffer.from("oh\n"), status: 7 });

  const cat = await host.exec(id, { args: ["/bin/cat"] });
  const text = "piped\n".repeat(20_000); // more than either chunk
  await cat.write(text);
  await cat.closeInput();
  const { stdout, status } = await cat.ended;
  expect([stdout.toString() === text, stdout.length, status]).toEqual([true, text.length, 0]);

  const shell = await host.exec(id, { args: ["/bin/sh"], terminal: [30, 100] });
  await shell.write("stty size; tty; exit 4\n");
  const typed = await shell.ended;
  expect(typed.stdout.toString()).toMatch(/30 100\r\n[\s\S]*\/dev\/pts\/\d+\r\n/);
  expect(typed.status).toBe(4);

  const sleeper = await host.exec(id, { args: ["/bin/sleep", "100"] });
  await sleeper.kill(15);
  expect((await sleeper.ended).status).toBe(143);
  const MISSING = /\/nonexistent.*not found/;
  await expect(host.exec(id, { args: ["/nonexistent"] })).rejects.toThrow(MISSING);

  await host.pause(id);
  await host.resume(id);
  await host.update(id, limits ? { CPU: { Shares: 512 } } : {});
  const { cgroup_stats } = await host.stats(id);
  if (limits) expect(cgroup_stats?.memory_stats?.usage?.usage).toBeGreaterThan(0);
  expect(cgroup_stats?.cpu_stats?.cpu_usage?.total_usage).toBeGreaterThan(0);

  await host.kill(id, 15); // sleep has no handler, and is the first process: it becomes SIGKILL
  expect((await init.ended).status).toBe(137);
  await host.stop(id);
}

/** Runs a container with a terminal, which ends by itself. */
export async function terminalContainer(machine: Machine, kind: HostKind, host: KataHost): Promise<void> {
  const id = "terminal";
  const limits = machine.real;
  const args = ["/bin/sh", "-c", "read line; stty size; echo $line; exit 5"];
  const rootfs = machine.rootfs(id);
  await host.create({ id, spec: hostSpec(kind, { id, rootfs, args, terminal: true, limits }) });
  const init = await host.start(id);
  await init.resize(30, 100);
  await init.write("typed\n");
  const { stdout, status } = await init.ended;
  expect(stdout.toString()).toContain("30 100\r\ntyped\r\n");
  expect(status).toBe(5);
  await host.stop(id);
}

/** Runs a pod like the kubelet's: the pause container, then two workers, one of which ends by itself. */
export async function threeContainers(
  machine: Machine,
  kind: HostKind,
  host: KataHost,
  sharePid: boolean,
): Promise<void> {
  const make = async (id: string, type: "pod_sandbox" | "pod_container", args: readonly string[]) => {
    const rootfs = machine.rootfs(id);
    const spec = hostSpec(kind, {
      id,
      rootfs,
      args,
      type,
      limits: machine.real,
      linux: { CgroupsPath: `/kubepods/pod1/${id}` },
    });
    await host.create({ id, spec, sharePid: sharePid && type === "pod_container" });
    return host.start(id);
  };
  const [first, second, third] = ["pause", "server", "job"].map((name) => `${name}-${sharePid ? "shared" : "own"}`) as [
    string,
    string,
    string,
  ];
  const pause = await make(first, "pod_sandbox", ["/bin/sleep", "10000"]);
  const server = await make(second, "pod_container", ["/bin/sh", "-c", "echo up; sleep 10001"]);
  const job = await make(third, "pod_container", ["/bin/sh", "-c", "echo done; exit 3"]);
  expect(await job.ended).toMatchObject({ stdout: Buffer.from("done\n"), status: 3 });
  await host.stop(third);

  const ps = await (await host.exec(second, { args: ["/bin/ps", "-o", "args"] })).ended;
  const seen = ps.stdout.toString();
  expect(seen).toContain("sleep 10001");
  expect(seen.includes("/bin/sleep 10000\n"), seen).toBe(sharePid);
  const name = await (await host.exec(second, { args: ["/bin/hostname"] })).ended;
  const net = await (await host.exec(second, { args: ["/bin/ip", "route"] })).ended;
  expect(net.stdout.toString()).toMatch(/^default via 10\.99\.0\.1 dev eth0/);
  expect(name.stdout.toString()).toBe("pod-of-host\n");

  await host.kill(second, 15);
  if (sharePid) await host.kill(second, 9); // not first in its pid namespace, so sh may ignore TERM
  expect((await server.ended).status).toBeGreaterThan(128);
  await host.stop(second);
  await host.kill(first, 15);
  expect((await pause.ended).status).toBe(137);
  await host.stop(first);
}

/** Repeats the input of the recordings of execs, terminals and signals, with their ids: the execs of `recorded`. */
export async function recordedLife(
  machine: Machine,
  kind: HostKind,
  host: KataHost,
  recorded: readonly grpc.ExecProcessRequest[],
): Promise<void> {
  const [id, rootfs] = ["c2", `${kind === "runtime-rs" ? "passthrough/" : ""}c2/rootfs`];
  await shareFolder(machine, [rootfs]);
  const storages = kind === "runtime-rs" ? [SHARE] : [];
  await host.openSandbox({ id, hostname: "", storages });
  await host.create({
    id,
    spec: hostSpec(kind, { id, rootfs: `${SHARED}/${rootfs}`, args: SLEEP, limits: machine.real }),
  });
  const init = await host.start(id);
  for (const { process } of recorded) {
    const args = process?.Args ?? [];
    const started = host.exec(id, { args, ...(process?.Terminal === true ? { terminal: [0, 0] } : {}) });
    if (args[0] === "/nonexistent") {
      await expect(started).rejects.toThrow("not found");
      continue;
    }
    const exec = await started;
    if (args[0] === "/bin/cat") {
      await exec.write("piped\n");
      await exec.closeInput();
    } else if (args[0] === "/bin/sleep") await exec.kill(15);
    if (process?.Terminal === true) await exec.write("\0").catch(() => undefined); // it may have ended
    await exec.ended;
    // The client has no more input; runtime-rs reports that with a call, even if the process has ended.
    if (kind === "runtime-rs") await exec.closeInput().catch(() => undefined);
  }
  await host.stats(id);
  await host.kill(id, 15);
  await init.ended;
  await host.stop(id);
  await host.end();
}
