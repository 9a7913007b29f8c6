import { mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { FuseConnections } from "./fuse-connections.ts";

let fusectl = "";

leavesNoDescriptors();
beforeEach(() => {
  fusectl = mkdtempSync(join(tmpdir(), "guestd-fusectl-"));
});
afterEach(() => rmSync(fusectl, { recursive: true }));

function connection(id: number, waiting: number): void {
  mkdirSync(join(fusectl, String(id)));
  writeFileSync(join(fusectl, `${id}/waiting`), `${waiting}\n`);
  writeFileSync(join(fusectl, `${id}/abort`), "");
}
const aborted = (name: number | string) => readFileSync(join(fusectl, `${name}/abort`), "utf8");
const open = () => new FuseConnections({ close: openSys().close, detachedMount: () => openSync(fusectl, "r") });

test("lists connections with waiting requests, and aborts only what it is told to", async () => {
  for (const [id, waiting] of [
    [44, 0],
    [45, 1],
    [46, 3],
  ] as const)
    connection(id, waiting);
  using connections = open();
  expect(await connections.waiting()).toEqual([45, 46]);
  expect(connections.hold([45, 46, 47])).toEqual([45, 46]);
  connections.abort(46);
  expect([44, 45, 46].map(aborted)).toEqual(["", "", "1"]);
});

test("aborts the connection that it holds, not a newer one with the same id", () => {
  connection(45, 1);
  using connections = open();
  connections.hold([45]);
  renameSync(join(fusectl, "45"), join(fusectl, "old"));
  connection(45, 1);
  connections.abort(45);
  expect([aborted("old"), aborted(45)]).toEqual(["1", ""]);
});

test("holds 256 connections at most, as each costs a descriptor", () => {
  const ids = Array.from({ length: 257 }, (_, index) => index + 1);
  for (const id of ids) connection(id, 1);
  using connections = open();
  expect(connections.hold(ids)).toEqual(ids.slice(0, 256));
});
