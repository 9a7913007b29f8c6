import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { realFiles } from "../../kernel/files.ts";
import { type WarmRecord, WarmStore } from "./warm-record.ts";

let path: string;
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), "warm-record-")), "warm-start.json");
});
afterEach(() => rmSync(join(path, ".."), { recursive: true }));

test("begins at epoch 0, and every later agent reads what the last one wrote", () => {
  const store = new WarmStore(realFiles, path);
  expect(store.record).toEqual({ epoch: 0, quiesced: false, frozen: [] });
  const record: WarmRecord = {
    ...{ epoch: 2, quiesced: true, frozen: ["a"], becoming: 3, setBy: 4, reported: 1 },
    clock: { realtime: "1.000000000", arrivedMs: 2.5 },
  };
  store.write(record);
  expect(store.record).toEqual(record);
  expect(new WarmStore(realFiles, path).record).toEqual(record);
});

test.each([
  "",
  "{",
  "null",
  "[]",
  '{"epoch":1}',
  '{"epoch":0.5,"quiesced":false,"frozen":[]}',
  '{"epoch":1,"quiesced":false,"frozen":[1]}',
])("a file with %j counts as quiesced: nothing is created before a host resumes the guest", (text) => {
  writeFileSync(path, text);
  expect(new WarmStore(realFiles, path).record.quiesced).toBe(true);
});

test("a file that can't be read now ends the start, and one that can't be written changes nothing", () => {
  const fails = () => {
    throw Object.assign(new Error("EMFILE"), { code: "EMFILE" });
  };
  expect(() => new WarmStore({ ...realFiles, readText: fails }, path)).toThrow("EMFILE");
  const store = new WarmStore({ ...realFiles, replace: fails }, path);
  expect(() => store.write({ epoch: 1, quiesced: true, frozen: [] })).toThrow("EMFILE");
  expect(store.record.epoch).toBe(0);
});
