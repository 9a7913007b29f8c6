import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openSys } from "../sys/sys.ts";
import { KEY_BYTES, MAX_LEDGER_ENTRIES, openStreamLedger } from "./stream-ledger.ts";

const directory = mkdtempSync(join(tmpdir(), "ledger-"));
afterAll(() => rmSync(directory, { recursive: true }));
const { mapShared } = openSys();

test("grows with its processes to a maximum, and the next agent finds all of them", () => {
  const path = join(directory, "grows");
  const ledger = openStreamLedger(path, mapShared);
  const small = statSync(path).size;
  const places = Array.from({ length: MAX_LEDGER_ENTRIES }, () => ledger.take(new Uint8Array(KEY_BYTES)));
  expect(places).toEqual(Array.from({ length: MAX_LEDGER_ENTRIES }, (_, place) => place));
  expect(ledger.take(new Uint8Array(KEY_BYTES))).toBeUndefined();
  expect(statSync(path).size).toBeGreaterThan(7 * small);
  ledger.setProcess(0, 7);
  ledger.setAcked(MAX_LEDGER_ENTRIES - 1, 1, 2 ** 40);
  const next = openStreamLedger(path, mapShared);
  expect([next.epoch, next.places.length, next.process(0)]).toEqual([ledger.epoch, MAX_LEDGER_ENTRIES, 7]);
  expect(next.acked(MAX_LEDGER_ENTRIES - 1, 1)).toBe(2 ** 40);
});

test("keeps its size if it can't grow", () => {
  let isFull = false;
  const ledger = openStreamLedger(join(directory, "full"), (fd, length) => {
    if (isFull) throw new Error("ENOSPC");
    return mapShared(fd, length);
  });
  isFull = true;
  let taken = 0;
  while (ledger.take(new Uint8Array(KEY_BYTES)) !== undefined) taken++;
  expect(taken).toBeLessThan(MAX_LEDGER_ENTRIES);
  ledger.free(3);
  expect(ledger.take(new Uint8Array(KEY_BYTES))).toBe(3);
});
