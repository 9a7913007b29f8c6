import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { thisProcess } from "../../../lib/process-owner.ts";
import type { GuestRecord } from "../../../host/engine/record/state-records.ts";
import { StateStore } from "../../../host/engine/record/state-store.ts";

/*
 * `plant FOLDER SOCKET`: acts as another user of the host, who creates a guestctl folder with a guest in it and serves
 * its socket.
 * `keep SOCKET`: acts as the victim's own guestctl, which keeps a guest with that socket.
 * Both print a line when that is done, then the bytes received on the socket.
 */
const [mode, ...paths] = process.argv.slice(2);
const socket = paths.at(-1) ?? "";
const record: GuestRecord = {
  name: "fake",
  address: `unix://${socket}`,
  logAddress: `unix://${socket}`,
  folder: "/tmp/shared",
  accelerator: "tcg",
  memoryMib: 512,
  cpus: 1,
  timeline: { listening: 1, check: 2 },
  bootedAt: new Date().toISOString(),
};

process.umask(0);
if (mode === "keep") {
  const store = new StateStore();
  store.claim(record.name);
  store.writeGuest(record);
} else {
  const guest = join(paths[0] ?? "", record.name);
  mkdirSync(guest, { recursive: true, mode: 0o777 });
  writeFileSync(join(guest, "owner.json"), JSON.stringify(thisProcess()));
  writeFileSync(join(guest, "guest.json"), JSON.stringify(record));
}
if (mode === "keep") setInterval(() => undefined, 1000);
else {
  const server = createServer((connection) => connection.on("error", () => undefined).pipe(process.stdout));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  chmodSync(socket, 0o777);
}
process.stdout.write("ready\n");
