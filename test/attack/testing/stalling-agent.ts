import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { openInit } from "../../../agent/kernel/init/open-init.ts";
import { openSys } from "../../../agent/kernel/sys/sys.ts";
import { startHeartbeat } from "../../../agent/main/heartbeat.ts";

/**
 * Stalls by name. Runs in place of the agent: starts as the agent does, then its event loop stalls as the argument
 * says. The next agent serves.
 */
const STALLS: Readonly<Record<string, () => void>> = {
  spin: () => {
    for (;;);
  },
  wait: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  read: () => {
    execFileSync("mkfifo", ["/run/nobody-writes"]);
    readFileSync("/run/nobody-writes");
  },
  // The file system holds the request for 5 s.
  taken: () => {
    mkdirSync("/run/taken");
    const wait = "until grep -q /run/taken /proc/mounts; do sleep 0.01; done";
    const mount = `setsid timeout -s KILL 5 ${process.argv[3]} /run/taken </dev/null >/dev/null 2>&1 &`;
    execFileSync("sh", ["-c", `[ -e /dev/fuse ] || mknod /dev/fuse c 10 229; ${mount} ${wait}`]);
    statSync("/run/taken/x");
  },
  microtasks: () => {
    const again = (): Promise<void> => Promise.resolve().then(again);
    void again();
  },
};

const init = await openInit(openSys(), process.env["GUESTD_INIT_FD"]);
startHeartbeat(init, 1500).listening();
setInterval(() => undefined, 60_000);
if (init.greeting.generation === 1) setTimeout(() => STALLS[process.argv[2] ?? ""]?.(), 50);
else setTimeout(() => process.stdout.write("the next agent serves\n"), 2500);
