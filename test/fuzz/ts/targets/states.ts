import { testSpec } from "../../../../agent/container/testing/test-spec.ts";
import type { Files } from "../../../../agent/kernel/files.ts";
import { containedDouble } from "../../../../agent/kernel/testing/contained-double.ts";
import { createInitDouble } from "../../../../agent/kernel/testing/init-double.ts";
import { createSysDouble } from "../../../../agent/kernel/testing/sys-double.ts";
import { restoreContainers } from "../../../../agent/sandbox/restore.ts";
import { StateStore } from "../../../../agent/sandbox/state.ts";
import { Storages } from "../../../../agent/storage/storages.ts";
import { type FuzzTarget, promise } from "../target.ts";

const CONTAINER = JSON.stringify(
  { id: "c", spec: testSpec(), cgroup: "/c", storages: ["/run/s"], oomKills: 0 },
  (_, value: unknown) => (typeof value === "bigint" ? String(value) : value),
);
const SANDBOX = '{"id":"s","hostname":"h","storages":["/run/s"]}';
const STORAGES =
  '[{"driver":"ephemeral","driverOptions":[],"source":"","fstype":"tmpfs","options":[],"mountPoint":"/run/s","shared":true,"container":""}]';
const NOBODY = { mayBeTraced: () => false, settled: async () => undefined, refuseTracer: () => undefined };

/** Takes from the lines the sandbox, its storages, a process's label, then containers. */
export const states: FuzzTarget = {
  name: "states",
  promise: "whatever an earlier agent left in its state files and with init, the next one starts",
  seeds: () => [
    [SANDBOX, STORAGES, '{"container":"c","exec":"c"}', CONTAINER].join("\n"),
    [SANDBOX, STORAGES, '{"container":"c","exec":"e","streams":{"stdout":"passed:5:1"}}', CONTAINER].join("\n"),
    [
      SANDBOX,
      "[]",
      '{"container":"c","exec":"h","command":"hook"}',
      CONTAINER.replace('"oomKills":0', '"oomKills":0,"creating":true'),
    ].join("\n"),
  ],
  words: [
    '"creating":true',
    '"hooks":{',
    '"pci":{',
    '"devices":[',
    "null",
    "[]",
    "{}",
    '"streams":{',
    '"driver":"',
    '"rlimits":[',
  ],
  maxLength: 8192,
  run(input) {
    const [sandbox = "", storages = "", label = "", ...containers] = input.toString("utf8").split("\n");
    const texts = new Map([
      ["/s/sandbox.json", sandbox],
      ["/s/storages.json", storages],
    ]);
    for (const [at, text] of containers.slice(0, 4).entries()) texts.set(`/s/containers/${at}.json`, text);
    const files = played(texts);
    const store = new StateStore(files, "/s");
    const records = store.readContainers();
    const users = [...(store.readSandbox()?.storages ?? []), ...records.flatMap((record) => record.storages)];
    const known = store.readStorages();
    const sys = createSysDouble();
    const process = {
      id: 1,
      pid: 0,
      pidfd: sys.descriptor(),
      exit: new Promise<never>(() => undefined),
      label,
      kept: {},
    };
    const exited = { code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };
    const init = createInitDouble(sys, { greeting: { processes: [{ ...process, exited }] } });
    const kernel = { sys, init, files, contained: containedDouble(sys) };
    // This would copy files of this machine.
    if (storages.includes("watch")) return;
    const { mountPoints } = new Storages(kernel, async () => "/dev/none", { users, known, save: () => undefined });
    promise(
      mountPoints.every((path) => typeof path === "string"),
      "a mount point is a path",
    );
    const { restored, broken } = restoreContainers(kernel, records, { pipeSize: 0, traceGuardOf: () => NOBODY });
    promise(restored.length + broken.length === records.length, "each record is a container or the remains of one");
    for (const { id, spec } of broken)
      promise(typeof id === "string" && spec.process.args.length >= 0, "a record is complete");
    for (const { container } of restored) for (const one of container.processes) one.destroy();
  },
};

function played(texts: ReadonlyMap<string, string>): Files {
  const nothing = () => undefined;
  return {
    readText: (path) => {
      const text = texts.get(path);
      if (text === undefined) throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
      return text;
    },
    list: () =>
      [...texts.keys()]
        .filter((path) => path.includes("/containers/"))
        .map((path) => path.slice(path.lastIndexOf("/") + 1)),
    exists: () => false,
    mounts: () => "",
    writeText: nothing,
    replace: nothing,
    rewrite: nothing,
    makeDirectory: nothing,
    removeDirectory: nothing,
    removeTree: nothing,
    readAtMost: async () => undefined,
    statfs: async () => ({ total: 0, free: 0, available: 0, files: 0, filesFree: 0 }),
  };
}
