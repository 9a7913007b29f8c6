import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testSpec } from "../container/testing/test-spec.ts";
import { realFiles } from "../kernel/files.ts";
import { StateStore } from "./state.ts";

let directory: string;
let store: StateStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "guestd-state-"));
  store = new StateStore(realFiles, directory);
});
afterEach(() => rmSync(directory, { recursive: true }));

const devices = [{ type: "b", major: 254, minor: 0, access: "rwm", host: { type: "b", major: 8, minor: 0 } }];
const storage = {
  ...{ driver: "bind", driverOptions: [], source: "/a", fstype: "", options: ["ro"], mountPoint: "/b", shared: false },
  container: "c1",
};
const record = { id: "c1", spec: testSpec(), cgroup: "/sys/fs/cgroup/c1", storages: ["/run/x"], oomKills: 2, devices };

test("a container comes back as it was, limits of 64 bits included", () => {
  store.writeContainer(record);
  expect(new StateStore(realFiles, directory).readContainers()).toEqual([record]);
});

test("a container's filter, scheduler and sysctls come back for later execs", () => {
  const args = [{ index: 0, value: "18446744073709551615", valueTwo: "0", op: "SCMP_CMP_EQ" }];
  const syscalls = [{ names: ["umask"], action: "SCMP_ACT_ERRNO", errnoRet: 0, args }];
  const { process, linux } = testSpec();
  const scheduler = { policy: "SCHED_FIFO", nice: 0, priority: 1, flags: [], runtime: 0, deadline: 0, period: 0 };
  const spec = testSpec({
    process: { ...process, scheduler, user: { ...process.user, umask: 0 }, ioPriority: { class: "x", priority: 0 } },
    linux: {
      ...linux,
      sysctl: { "net.core.somaxconn": "1" },
      personality: { domain: "LINUX32", flags: [] },
      seccomp: { defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: 0, architectures: [], flags: [], syscalls },
    },
  });
  store.writeContainer({ ...record, spec });
  expect(store.readContainers()[0]?.spec).toEqual(spec);
});

test("the durations of a container's launch plan come back, and go with the container", () => {
  store.writeContainer(record);
  expect(store.readStepMicros("c1")).toEqual([]);
  store.writeStepMicros("c1", [3, 65_535]);
  expect(new StateStore(realFiles, directory).readStepMicros("c1")).toEqual([3, 65_535]);
  store.removeContainer("c1");
  expect(readdirSync(join(directory, "containers"))).toEqual([]);
});

test("a partly written file is not taken for a container", () => {
  store.writeContainer(record);
  writeFileSync(join(directory, "containers/c2.json.tmp"), '{"id":"c2"');
  expect(store.readContainers().map(({ id }) => id)).toEqual(["c1"]);
  expect(new StateStore(realFiles, directory).readContainers()).toHaveLength(1);
  expect(readdirSync(join(directory, "containers"))).toEqual(["c1.json"]);
});

test("annotations of any name and text come back as they were", () => {
  const annotations = { bigint: "abc", soft: "1", __proto__x: "y" };
  store.writeContainer({ ...record, spec: testSpec({ annotations }) });
  expect(store.readContainers()[0]?.spec.annotations).toEqual(annotations);
});

test("an unreadable record is skipped and the others are read", () => {
  store.writeContainer(record);
  writeFileSync(join(directory, "containers/c2.json"), '{"id":"c2"');
  writeFileSync(join(directory, "containers/c3.json"), '{"id":"c3"}');
  writeFileSync(join(directory, "sandbox.json"), "");
  expect([store.readContainers().map(({ id }) => id), store.readSandbox()]).toEqual([["c1"], undefined]);
});

test.each(["null", "[]", "{}", "7", '"x"', '[{"driver":1}]', '{"id":7,"storages":{}}', "\0\0"])(
  "a file that is %j is taken for no record",
  (text) => {
    for (const name of ["sandbox", "storages", "containers/c2"]) writeFileSync(join(directory, `${name}.json`), text);
    expect([store.readSandbox(), store.readStorages(), store.readContainers()]).toEqual([undefined, [], []]);
  },
);

test("a shortage of descriptors or memory during a read throws instead of losing a container", () => {
  store.writeContainer(record);
  const readText = () => {
    throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
  };
  const short = new StateStore({ ...realFiles, readText }, directory);
  for (const read of [() => short.readContainers(), () => short.readSandbox(), () => short.readStorages()]) {
    expect(read).toThrow("EMFILE");
  }
});

test.each(["null", "1", "{}", '{"id":"s","hostname":"h","storages":1}', '{"id":"s","hostname":"h","storages":[null]}'])(
  "a file of the sandbox with %s counts as none",
  (text) => {
    writeFileSync(join(directory, "sandbox.json"), text);
    expect(store.readSandbox()).toBeUndefined();
  },
);

test("records and storages without the fields an agent needs are skipped, and the others are read", () => {
  store.writeContainer(record);
  const [whole] = readdirSync(join(directory, "containers")).map((name) =>
    readFileSync(join(directory, "containers", name), "utf8"),
  );
  const parsed = JSON.parse(whole ?? "") as typeof record;
  const odd = [
    null,
    [],
    { ...parsed, storages: "x" },
    { ...parsed, cgroup: 1 },
    { ...parsed, spec: { ...parsed.spec, annotations: null } },
  ];
  for (const [at, each] of odd.entries())
    writeFileSync(join(directory, `containers/odd-${at}.json`), JSON.stringify(each));
  expect(store.readContainers()).toEqual([record]);
  writeFileSync(join(directory, "storages.json"), JSON.stringify([null, storage, { ...storage, mountPoint: 1 }]));
  expect(store.readStorages()).toEqual([storage]);
  for (const text of ["null", "1", "{}"]) {
    writeFileSync(join(directory, "storages.json"), text);
    expect(store.readStorages()).toEqual([]);
  }
});

test("a removed record stays removed, and removing it again succeeds", () => {
  store.writeContainer(record);
  store.removeContainer("c1");
  store.removeContainer("c1");
  expect(store.readContainers()).toEqual([]);
});

test("clearing leaves an empty store", () => {
  store.writeSandbox({ id: "s", hostname: "h", storages: [] });
  store.writeContainer(record);
  store.writeStorages([storage]);
  store.clear();
  expect([store.readSandbox(), readdirSync(directory)]).toEqual([undefined, ["containers"]]);
  expect([store.readContainers(), store.readStorages()]).toEqual([[], []]);
});

test("only root may list the containers, of a cleared store too", () => {
  const mode = () => statSync(join(directory, "containers")).mode & 0o777;
  expect(mode()).toBe(0o700);
  store.clear();
  expect(mode()).toBe(0o700);
});

test.each(["driver", "source", "options", "mountPoint", "shared"])(
  "a storage without a %s, or with one of another type, is skipped",
  (field) => {
    const { [field]: _, ...without } = storage as Record<string, unknown>;
    const wrong = [without, { ...storage, [field]: null }, { ...storage, [field]: 7 }, { ...storage, [field]: [7] }];
    writeFileSync(join(directory, "storages.json"), JSON.stringify([...wrong, storage]));
    expect(store.readStorages()).toEqual([storage]);
  },
);

test.each(["id", "hostname", "storages"])(
  "a sandbox without a %s, or with one of another type, counts as none",
  (field) => {
    const sandbox = { id: "s", hostname: "h", storages: ["/a"] };
    const { [field]: _, ...without } = sandbox as Record<string, unknown>;
    for (const wrong of [without, { ...sandbox, [field]: null }, { ...sandbox, [field]: 7 }]) {
      writeFileSync(join(directory, "sandbox.json"), JSON.stringify(wrong));
      expect(store.readSandbox()).toBeUndefined();
    }
    store.writeSandbox(sandbox);
    expect(store.readSandbox()).toEqual(sandbox);
  },
);

test.each([
  ["an argument that is a number", { args: [7] }],
  ["no arguments", { args: undefined }],
  ["no limits", { rlimits: undefined }],
  ["a limit without a type", { rlimits: [{ soft: "1", hard: "1" }] }],
  ["a limit that is no number", { rlimits: [{ type: "RLIMIT_NOFILE", soft: "x", hard: "1" }] }],
])("a container's record with %s is skipped", (_, process) => {
  store.writeContainer(record);
  const path = join(directory, "containers/c1.json");
  const stored = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(
    path,
    JSON.stringify({ ...stored, spec: { ...stored.spec, process: { ...stored.spec.process, ...process } } }),
  );
  expect(store.readContainers()).toEqual([]);
});

test("a file of another name among the containers is ignored", () => {
  store.writeContainer(record);
  writeFileSync(join(directory, "containers/c1.txt"), readFileSync(join(directory, "containers/c1.json")));
  expect(store.readContainers()).toHaveLength(1);
});
