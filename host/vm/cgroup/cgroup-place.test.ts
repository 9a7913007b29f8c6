import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { nearest } from "./cgroup-place.ts";

/** Makes a folder like a cgroup hierarchy: by path, the controllers that each cgroup gives to its children. */
function hierarchy(cgroups: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "cgroups-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, controllers] of Object.entries(cgroups)) {
    mkdirSync(join(root, path), { recursive: true });
    writeFileSync(join(root, path, "cgroup.procs"), "");
    writeFileSync(join(root, path, "cgroup.subtree_control"), `${controllers}\n`);
    if (path !== "/") writeFileSync(join(root, path, "cgroup.type"), "domain\n");
  }
  return root;
}

test("guests' cgroups are created in the nearest cgroup that gives its children both controllers", () => {
  const root = hierarchy({
    "/": "cpu memory pids",
    "/user": "memory pids",
    "/user/shell": "memory",
    "/user/shell/a": "",
  });
  expect(nearest(root, "4:cpu:/other\n0::/user/shell/a\n")).toEqual({
    folder: join(root, "user"),
    limitsProcessors: false,
  });
});

test("a cgroup that gives its children processors too can limit them", () => {
  const root = hierarchy({ "/": "cpu memory pids", "/user": "cpu memory pids" });
  expect(nearest(root, "0::/user\n")).toEqual({ folder: join(root, "user"), limitsProcessors: true });
});

test("the machine's own root gets the controllers, and no other cgroup does", () => {
  const root = hierarchy({ "/": "", "/user": "memory" });
  nearest(root, "0::/user\n");
  // A file keeps what was written last: after the kernel's refusal, or without its answer, the two that guests need.
  expect(readFileSync(join(root, "cgroup.subtree_control"), "utf8")).toBe("+memory +pids");
  expect(readFileSync(join(root, "user/cgroup.subtree_control"), "utf8")).toBe("memory\n");
});

test("a cgroup whose processes this user may not move is passed over, and the reason names what to do", () => {
  const root = hierarchy({ "/": "memory", "/container": "memory pids" });
  rmSync(join(root, "container/cgroup.procs"));
  writeFileSync(join(root, "cgroup.type"), "domain\n");
  expect(nearest(root, "0::/container\n")).toEqual({
    missing: "no cgroup above /container is this user's",
    remedy: expect.stringMatching(/^run (it as root|guestctl by systemd-run)/),
  });
});
