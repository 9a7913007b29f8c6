import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { openInit } from "../../agent/kernel/init-client.ts";
import { openSys } from "../../agent/kernel/sys.ts";
import { startHeartbeat } from "../../agent/main/heartbeat.ts";

/** Stands in for the agent: begins as it does, then its event loop stalls as the argument says. The next one serves. */
const STALLS: Readonly<Record<string, () => void>> = {
  spin: () => {
    for (;;);
  },
  wait: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  read: () => {
    execFileSync("mkfifo", ["/run/nobody-writes"]);
    readFileSync("/run/nobody-writes");
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
