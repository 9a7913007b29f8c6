import type { Sandbox } from "../../../host/sdk/sandbox/sandbox.ts";

type Call = (sandbox: Sandbox, copied: string) => Promise<unknown>;

/** Reads everything that a call yields. */
async function all(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

const POSITION = { version: 1, exec: "x", container: "web", stdout: 2, stderr: 2, tty: false, epoch: "Ag==" };

/** Calls of each method of a sandbox, or the reason why an agent has no say in it. */
export const SDK_CALLS: Readonly<Record<string, Call | string>> = {
  exec: async (sandbox) => await sandbox.exec(["ls"], { maxOutputBytes: 1 << 20 }),
  attach: async (sandbox) =>
    await sandbox.attach({ ...POSITION, address: sandbox.address }, { maxOutputBytes: 1 << 20 }),
  forward: (sandbox) => sandbox.forward({ reverse: true, listen: { port: 8080 }, to: { port: 9 } }),
  ports: (sandbox) => sandbox.ports(),
  waitForPort: (sandbox) => sandbox.waitForPort(80),
  events: (sandbox) => all(sandbox.events({ from: 1 })),
  logs: (sandbox) => all(sandbox.logs()),
  stats: (sandbox) => sandbox.stats(),
  metrics: (sandbox) => sandbox.metrics(),
  explain: (sandbox) => sandbox.explain(),
  upgrade: (sandbox) => sandbox.upgrade(),
  snapshot: "it asks the guest's keeper",
  setTimeout: "it asks the guest's keeper",
  resize: "it asks the guest's keeper",
  fork: "it asks the guest's keeper",
  pause: (sandbox) => sandbox.pause(),
  resume: (sandbox) => sandbox.resume(),
  stop: (sandbox) => sandbox.stop(),
};

/** The same for its files. */
export const FILE_CALLS: Readonly<Record<string, Call | string>> = {
  read: ({ files }) => files.read("/etc/hostname"),
  stream: ({ files }) => all(files.stream("/etc/hostname")),
  write: ({ files }) => files.write("/tmp/x", "content"),
  list: ({ files }) => files.list("/"),
  stat: ({ files }) => files.stat("/"),
  exists: ({ files }) => files.exists("/"),
  mkdir: ({ files }) => files.mkdir("/tmp/d"),
  rename: ({ files }) => files.rename("/tmp/x", "/tmp/y"),
  remove: ({ files }) => files.remove("/tmp/x"),
  watch: ({ files }) => all(files.watch("/tmp")),
  upload: ({ files }, copied) => files.upload(copied, "/tmp/copied"),
  download: ({ files }, copied) => files.download("/var/log/app.log", `${copied}/`),
};
