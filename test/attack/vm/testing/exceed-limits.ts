import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { cgroupPlace } from "../../../../host/vm/cgroup/cgroup-place.ts";
import { Child } from "../../../../host/vm/child.ts";
import { makeGuestPlace } from "../../../../host/vm/guest-place.ts";

// Runs the program of exceed-limits.c as the programs of guests are run, in a container that has cgroups of its own, and prints what
// became of it. With a third argument only waits, with such a program.
const [program = "", memoryMib = "", waits] = process.argv.slice(2);
if (waits === undefined && !("folder" in cgroupPlace())) delegate();
const place = makeGuestPlace({ memoryMib: Number(memoryMib), cpus: 1 });
const { cgroup } = place;
if (cgroup === undefined) throw new Error("no cgroup");
const start = (name: string, argv: readonly string[]) =>
  Child.start("QEMU", argv, { place: join(place.directory, name), cgroup, files: 64 });

if (waits !== undefined) {
  start("waiting", [process.execPath, "-e", "setInterval(() => {}, 60_000)"]);
  while (readFileSync(join(cgroup, "cgroup.procs"), "utf8") === "") await delay(20);
  console.log(cgroup);
  setInterval(() => undefined, 60_000);
} else {
  const taken: Record<string, string> = {};
  for (const what of ["tasks", "files", "memory"]) {
    const child = start(what, [program, what]);
    await child.ended;
    taken[what] = readFileSync(child.record.output, "utf8").trim() || (await child.failure()).message;
  }
  const processors = readFileSync(join(cgroup, "cpu.max"), "utf8").trim();
  await place.remove();
  const isRemoved = !existsSync(cgroup);
  const killed = spawn(process.execPath, [...process.argv.slice(1), "wait"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(killed.stdout.setEncoding("utf8"), "data")) as [string];
  const left = line.trim();
  const wasThere = existsSync(left);
  killed.kill("SIGKILL");
  await once(killed, "exit");
  for (let starts = 0; starts < 100 && existsSync(left); starts++) {
    await makeGuestPlace({ memoryMib: 64, cpus: 1 }).remove();
    await delay(50);
  }
  const others = readdirSync(dirname(cgroup)).filter((name) => name.startsWith("guestd-"));
  console.log(JSON.stringify({ taken, processors, isRemoved, wasThere, others }));
}

/** Moves this process to a cgroup of its own, so that the container's can have limited ones beside it. */
function delegate(): void {
  mkdirSync("/sys/fs/cgroup/own");
  writeFileSync("/sys/fs/cgroup/own/cgroup.procs", String(process.pid));
  writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids +cpu");
}
