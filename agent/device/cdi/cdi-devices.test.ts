import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CdiDevices } from "./cdi-devices.ts";

let root = "";
let directories: string[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "guestd-cdi-"));
  directories = [join(root, "etc"), join(root, "run")];
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (path: string, text: string) => {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
};
const json = (env: string, more: object = {}) =>
  JSON.stringify({
    cdiVersion: "0.6.0",
    kind: "a.b/c",
    containerEdits: { env: [`${env}=common`] },
    devices: ["0", "1"].map((name) => ({ name, containerEdits: { env: [`${env}${name}=own`], ...more } })),
  });
const find = (names: string, timeoutMs = 20) => {
  const devices = new CdiDevices({ directories, timeoutMs });
  const asked = devices.requested({ annotations: { "cdi.k8s.io/x": names }, env: [] });
  return devices.find(asked ?? []);
};

test("edits for all devices of a file come once, before those of its first device", async () => {
  write("etc/a.json", json("A"));
  expect((await find("a.b/c=1,a.b/c=0")).env).toEqual(["A=common", "A1=own", "A0=own"]);
});

test("YAML is read as the authors of these files expect", async () => {
  write(
    "run/a.yaml",
    `---
cdiVersion: "0.5.0"
kind: a.b/c
containerEdits:
  hooks:
  - hookName: createContainer
    path: /usr/bin/hook
    args: ["hook", "--x"]
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/other
      hostPath: /dev/null
      fileMode: 0640
`,
  );
  const { nodes, hooks } = await find("a.b/c=0");
  const from = "CDI device a.b/c=0";
  expect(nodes).toMatchObject([{ path: "/dev/other", type: "c", major: 1, minor: 3, mode: 0o640, from }]);
  expect(hooks).toMatchObject([{ kind: "createContainer", path: "/usr/bin/hook", from }]);
});

test("a later directory takes precedence, and two files in one directory conflict", async () => {
  write("etc/a.json", json("A"));
  write("run/b.json", json("B"));
  expect((await find("a.b/c=0")).env).toEqual(["B=common", "B0=own"]);
  write("run/c.json", json("C"));
  await expect(find("a.b/c=0", 60_000)).rejects.toThrow(
    `CDI device a.b/c=0: both ${root}/run/b.json and ${root}/run/c.json define it`,
  );
});

test("a device that its kind lacks is refused without waiting", async () => {
  write("etc/a.json", json("A"));
  await expect(find("a.b/c=7", 60_000)).rejects.toThrow(
    `CDI device a.b/c=7: ${root}/etc/a.json has no such device; known: 0, 1`,
  );
});

test("files and nodes are waited for, and the error lists what is present", async () => {
  const waiting = find("a.b/c=0", 5000);
  setTimeout(() => write("run/a.json", json("A", { deviceNodes: [{ path: join(root, "node") }] })), 50);
  setTimeout(() => symlinkSync("/dev/null", join(root, "node")), 100);
  setTimeout(() => {
    rmSync(join(root, "node"));
    write("run/a.json", json("A"));
  }, 400);
  expect((await waiting).env).toEqual(["A=common", "A0=own"]);
  write("run/bad.json", "{");
  mkdirSync(join(root, "run/directory.yaml"));
  await expect(find("x.y/z=0")).rejects.toThrow(
    /^CDI device x\.y\/z=0: no file in \S+ or \S+ has its kind; kinds present: a\.b\/c; \S+\/bad\.json: Expected [^\n]*; \S+directory\.yaml: it is not a regular file; waited for 20 ms$/,
  );
});

test("a node that is not a device, or of another type, is named", async () => {
  write("etc/a.json", json("A", { deviceNodes: [{ path: "/etc" }] }));
  await expect(find("a.b/c=0")).rejects.toThrow("CDI device a.b/c=0: /etc is not a device; waited for 20 ms");
  write("etc/a.json", json("A", { deviceNodes: [{ path: "/dev/null", type: "b" }] }));
  await expect(find("a.b/c=0")).rejects.toThrow("/dev/null is of type c, not b");
});

test("numbers in the file are used without a look at the guest", async () => {
  write("etc/a.json", json("A", { deviceNodes: [{ path: "/dev/none", type: "b", major: 8, minor: 300 }] }));
  expect((await find("a.b/c=0")).nodes).toMatchObject([{ type: "b", major: 8, minor: 300 }]);
  const { rdev } = statSync("/dev/urandom");
  write("etc/a.json", json("A", { deviceNodes: [{ path: "/dev/urandom" }] }));
  expect((await find("a.b/c=0")).nodes).toMatchObject([{ type: "c", major: rdev >> 8, minor: rdev & 0xff }]);
});

test("a small YAML file can't expand to much", async () => {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let at = 1; at < 9; at++)
    lines.push(
      `a${at}: &a${at} [${Array(10)
        .fill(`*a${at - 1}`)
        .join(", ")}]`,
    );
  write("etc/a.yaml", lines.join("\n"));
  await expect(find("a.b/c=0")).rejects.toThrow(/a\.yaml: Excessive alias count/);
  write("etc/a.yaml", "");
  write("etc/a.json", " ".repeat((1 << 20) + 1));
  await expect(find("a.b/c=0")).rejects.toThrow("it has 1048577 bytes, more than 1048576");
  write("etc/a.json", "");
  for (const [text, problem] of [
    [" ".repeat((128 << 10) + 1), "it has 131073 bytes, more than 131072"],
    ["- a\n".repeat(32_000), "it has more than 64000 YAML tokens"],
    ["[".repeat(100_000), "its brackets are nested deeper than 64"],
    [`${"{a: ".repeat(65)}`, "its brackets are nested deeper than 64"],
  ] as const) {
    write("etc/a.yaml", text);
    await expect(find("a.b/c=0")).rejects.toThrow(problem);
  }
});

test("a file is parsed once while waiting, and again after it changes", async () => {
  const parsed = vi.spyOn(JSON, "parse");
  const times = () => parsed.mock.calls.filter(([text]) => text.includes("x.y/z")).length;
  const waiting = find("a.b/c=0", 60_000);
  const other = json("A").replace("a.b/c", "x.y/z");
  write("etc/a.json", other);
  await expect.poll(times).toBe(1);
  await sleep(600);
  expect(times()).toBe(1);
  write("etc/a.json", `${other} `);
  await expect.poll(times).toBe(2);
  write("etc/b.json", json("B"));
  expect((await waiting).env).toEqual(["B=common", "B0=own"]);
  parsed.mockRestore();
});

test("waiting ends when the call is cancelled", async () => {
  const devices = new CdiDevices({ directories, timeoutMs: 60_000 });
  const asked = devices.requested({ annotations: { "cdi.k8s.io/x": "a.b/c=0" }, env: [] });
  await expect(devices.find(asked ?? [], AbortSignal.timeout(20))).rejects.toThrow();
});

test("the pod's own container requests no devices, and the environment counts only if enabled", () => {
  const env = ["VISIBLE_CDI_DEVICES=a.b/c=all"];
  const annotations = { "cdi.k8s.io/x": "a.b/c=0", "io.katacontainers.pkg.oci.container_type": "pod_sandbox" };
  expect(new CdiDevices({ visible: true }).requested({ annotations, env })).toBeUndefined();
  expect(new CdiDevices().requested({ annotations: {}, env })).toBeUndefined();
  expect(new CdiDevices({ visible: true }).requested({ annotations: {}, env })?.map(({ text }) => text)).toEqual([
    "a.b/c=all",
  ]);
});
