import { appendFileSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { BootLog } from "./boot-log.ts";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "boot-log-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

test("boots are listed in order, and a line that is being written is not one yet", () => {
  const path = join(folder(), "boots");
  const log = new BootLog(() => path);
  expect(log.list()).toEqual([]);
  log.add({ accelerator: "kvm", ms: 900 });
  log.add({ failed: true });
  appendFileSync(path, '{"acceler');
  expect(log.list()).toEqual([{ accelerator: "kvm", ms: 900 }, { failed: true }]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a log that is full begins again", () => {
  const path = join(folder(), "boots");
  const log = new BootLog(() => path, 100);
  const sizes = Array.from({ length: 20 }, (_, ms) => {
    log.add({ accelerator: "tcg", ms });
    return log.list().length;
  });
  expect(Math.max(...sizes)).toBe(4);
  expect(log.list().at(-1)).toEqual({ accelerator: "tcg", ms: 19 });
});

test("without a folder nothing is listed", () => {
  expect(new BootLog(() => undefined).list()).toEqual([]);
});
