import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { useVolumes } from "../../engine/volume/use-volumes.ts";
import { VolumeStore } from "../../engine/volume/volume-store.ts";
import { runGuestctl } from "../testing/run-guestctl.ts";

let folder: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  folder = temporaryDirectory();
});
afterEach(() => folder[Symbol.dispose]());

const run = (...args: string[]) => runGuestctl(folder.path, ["volume", ...args]);
const printed = (stdout: string) => ({ stdout, stderr: "", code: 0 });

/** Records a container that uses the volume data. */
function record(container: string): void {
  const state = new StateStore(join(folder.path, `guestd-${process.geteuid?.()}`));
  state.claim("dev");
  state.writeGuest({ name: "dev", bootedAt: "2026-01-01T00:00:00Z" } as never);
  const name = { container, exec: container };
  const wanted = [{ name: "data", guest: "/x", mode: "rw" }] as const;
  const store = new VolumeStore(join(folder.path, "guestd/volumes"));
  using used = useVolumes(wanted, { container, record: state.processes.file("dev", name) }, store);
  const known = { args: [], image: "", terminal: false, rootfs: "", env: [], cwd: "/", user: "" };
  const startedAt = "2026-01-01T00:00:00Z";
  state.processes.write("dev", { ...name, ...known, startedAt, volumes: used.recorded });
}

test("volumes are created, listed, inspected and removed, but not while a container uses them", async () => {
  expect(await run("create", "data", "logs")).toEqual(printed("data\nlogs\n"));
  expect(await run("create", "data")).toEqual(printed("data\n"));
  record("web");
  expect((await run("ls")).stdout).toMatch(/^NAME +CREATED +USED BY\ndata +\d+ s +web\nlogs +\d+ s\n$/);
  expect(await run("ls", "-q")).toEqual(printed("data\nlogs\n"));
  const path = join(folder.path, "guestd/volumes/named/data/data");
  const [data, logs] = JSON.parse((await run("ls", "--json")).stdout);
  expect([data, logs]).toMatchObject([
    { name: "data", path, containers: ["web"] },
    { name: "logs", containers: [] },
  ]);
  expect(JSON.parse((await run("inspect", "data")).stdout)).toEqual([data]);
  expect(await run("inspect", "-f", "{{.Path}}", "data")).toEqual(printed(`${path}\n`));
  expect(await run("rm", "data", "logs", "none")).toEqual({
    stdout: "logs\n",
    stderr:
      "guestctl: volume data: used by web; guestctl rm web first\nguestctl: volume none: no such volume; guestctl volume ls lists them\n",
    code: 1,
  });
  expect(existsSync(path)).toBe(true);
});

test("prune removes the volumes that no container uses, if it may", async () => {
  await run("create", "data", "logs");
  record("web");
  expect(await run("prune")).toMatchObject({
    stderr: "guestctl: volume prune: nothing was removed; stdin is no terminal to ask on: repeat with --force\n",
    code: 1,
  });
  expect(await run("prune", "-f")).toEqual(printed("logs\n"));
  expect(await run("prune")).toEqual(printed(""));
});

test("a name that is a path is refused in one line", async () => {
  expect(await run("create", "../x")).toEqual({
    stdout: "",
    stderr:
      'guestctl: volume "../x": not a valid name; use 2 to 100 letters, digits, dots, hyphens and underscores, with a letter or digit first\n',
    code: 1,
  });
});
