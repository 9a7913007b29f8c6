import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Machine } from "../scenarios/machine.ts";
import type { HostKind } from "./host-spec.ts";
import type { KataHost } from "./kata-host.ts";
import { containerSpec, HOST_PAGES, type KubeletContainer, pauseSpec } from "./kubelet-spec.ts";

/** Runs a pod with a pause container and a worker, with the files and mounts that a kubelet gives every pod. */
export async function kubeletPod(machine: Machine, kind: HostKind, host: KataHost, systemd: boolean): Promise<void> {
  const ids = [`pause-${systemd}`, `web-${systemd}`] as const;
  const base = (id: string, args: readonly string[]): KubeletContainer => {
    const rootfs = machine.rootfs(id);
    return {
      id,
      name: "web",
      rootfs,
      args,
      files: rootfs,
      missing: `${rootfs}/volume/a`,
      limits: machine.real,
      systemd,
    };
  };
  const sandbox = base(ids[0], ["/bin/sleep", "10000"]);
  writeFiles(machine.hostPath(sandbox.files));
  await host.create({ id: ids[0], spec: pauseSpec(kind, sandbox) });
  const pause = await host.start(ids[0]);

  const script =
    "id -u; id -g; id -G; cat /etc/hosts /proc/self/oom_score_adj /etc/hostname; ls /cache; head -c 3 /var/run/secrets/kubernetes.io/serviceaccount/token";
  const worker = base(ids[1], ["/bin/sh", "-c", `${script}; echo bye > /dev/termination-log; hostname; exit 3`]);
  writeFiles(machine.hostPath(worker.files));
  await host.create({ id: ids[1], spec: containerSpec(kind, worker) });
  const web = await host.start(ids[1]);
  const { stdout, stderr, status } = await web.ended;
  expect([stdout.toString(), stderr.toString(), status]).toEqual([
    "1000\n3000\n3000 2000\n10.0.0.7 web-0\n987\nweb-0\ntokweb-0\n",
    "",
    3,
  ]);
  await host.update(ids[0], { HugepageLimits: HOST_PAGES });
  await host.stop(ids[1]);
  await host.kill(ids[0], 15);
  expect((await pause.ended).status).toBe(137);
  await host.stop(ids[0]);
}

function writeFiles(directory: string): void {
  mkdirSync(join(directory, "token"));
  writeFileSync(join(directory, "token/token"), "token");
  writeFileSync(join(directory, "hosts"), "10.0.0.7 web-0\n");
  writeFileSync(join(directory, "hostname"), "web-0\n");
  writeFileSync(join(directory, "resolv.conf"), "nameserver 10.96.0.10\n");
  writeFileSync(join(directory, "termination-log"), "");
  chmodSync(join(directory, "termination-log"), 0o666);
}
